using System.Buffers;
using System.IO.Compression;
using BenchmarkDotNet.Attributes;
using WebSocketServerKit.Benchmarks;
using WebSocketServerKit.Buffers;
using WebSocketServerKit.Protocol;
using WebSocketServerKit.Protocol.Compression;

namespace WebSocketServerKit.Microbenchmarks;

/// <summary>One JSON message after the other, compressed or decompressed.</summary>
[Config(typeof(CompressedSizeColumn.Config))]
public class Compression : IDisposable
{
    private byte[][] _messages = [];
    private byte[][] _compressed = []; // each refers to the one before it if contexts are taken over, the first one to the last
    private MessageDeflater _deflater = null!;
    private MessageInflater _inflater = null!;
    private PooledBuffer _buffer = new(ArrayPool<byte>.Shared);
    private int _next;

    [Params(128, 256, 1024, 16 * 1024)]
    public int Size { get; set; }

    [Params(CompressionLevel.Fastest, CompressionLevel.Optimal, CompressionLevel.SmallestSize)]
    public CompressionLevel Level { get; set; }

    [Params(false, true)]
    public bool ContextTakeover { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _messages = JsonMessages.Create(Size);
        _deflater = new MessageDeflater(Level, ContextTakeover, PerMessageDeflateParameters.MaxWindowBits);
        _inflater = new MessageInflater(ContextTakeover);
        // All messages together are longer than the window, so each round but the first is compressed alike.
        byte[][] firstRound = [.. _messages.Select(Compress)];
        _compressed = [.. _messages.Select(Compress)];
        foreach ((byte[] message, byte[] compressed) in _messages.Concat(_messages).Zip(firstRound.Concat(_compressed)))
        {
            if (Decompress(compressed) != message.Length || !_buffer.Written.Span.SequenceEqual(message))
                throw new InvalidDataException("The message is another one now.");
        }
    }

    [Benchmark]
    public int Deflate()
    {
        _buffer.Clear();
        _deflater.Deflate(Next(_messages), ref _buffer);
        return _buffer.Length;
    }

    [Benchmark]
    public int Inflate() => Decompress(Next(_compressed));

    /// <summary>Bytes of a compressed message, on average.</summary>
    public double CompressedSize()
    {
        Setup();
        return _compressed.Average(compressed => compressed.Length);
    }

    [GlobalCleanup]
    public void Dispose()
    {
        _deflater.Dispose();
        _inflater.Dispose();
        GC.SuppressFinalize(this);
    }

    private byte[] Next(byte[][] all)
    {
        byte[] one = all[_next];
        _next = (_next + 1) % all.Length;
        return one;
    }

    private byte[] Compress(byte[] message)
    {
        _buffer.Clear();
        _deflater.Deflate(message, ref _buffer);
        return _buffer.Written.ToArray();
    }

    private int Decompress(byte[] compressed)
    {
        _buffer.Clear();
        if (_inflater.Inflate(compressed, ref _buffer, int.MaxValue) != ProtocolViolation.None || _inflater.End(ref _buffer, int.MaxValue) != ProtocolViolation.None)
            throw new InvalidDataException("The message cannot be decompressed.");
        return _buffer.Length;
    }
}
