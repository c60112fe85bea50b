using System.Buffers;
using BenchmarkDotNet.Attributes;
using WebSocketServerKit.Protocol;
using WebSocketServerKit.Protocol.Framing;

namespace WebSocketServerKit.Microbenchmarks;

/// <summary>From a buffer of frames to messages: header, rules, mask, and UTF-8 for text.</summary>
public class ProtocolStep
{
    private const int Frames = 16;

    private readonly ServerProtocol _protocol = new(maxMessageSize: 1 << 20, maxFragments: 1000, ArrayPool<byte>.Shared);
    private byte[] _binary = [];
    private byte[] _text = [];

    [Params(16, 64, 125, 126, 1_024, 65_536)]
    public int Size { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _binary = FrameData.Frames(Opcode.Binary, Size, Frames);
        _text = FrameData.Frames(Opcode.Text, Size, Frames);
        foreach (byte[] frames in (byte[][])[_binary, _text, _text]) // the text masked and unmasked
        {
            if (StepThrough(frames) != (long)Frames * Size)
                throw new InvalidOperationException("Not every frame is a message.");
        }
    }

    [Benchmark(OperationsPerInvoke = Frames)]
    public long Binary() => StepThrough(_binary);

    [Benchmark(OperationsPerInvoke = Frames)]
    public long Text() => StepThrough(_text);

    // Payloads are unmasked where they lie. Each pass over them undoes the one before, so the bytes need not be restored: the work is the same.
    private long StepThrough(byte[] frames)
    {
        long sum = 0;
        Memory<byte> rest = frames;
        while (_protocol.Step(ref rest) == ProtocolEvent.Message)
        {
            sum += _protocol.Payload.Length;
            _protocol.ReleasePayload();
        }

        return sum;
    }
}
