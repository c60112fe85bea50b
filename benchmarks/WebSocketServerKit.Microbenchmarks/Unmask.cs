using BenchmarkDotNet.Attributes;
using WebSocketServerKit.Protocol.Framing;

namespace WebSocketServerKit.Microbenchmarks;

/// <summary>Removing the mask, where the bytes lie and on the way to another place, beside a copy of the same bytes.</summary>
public class Unmask
{
    private byte[] _source = [];
    private byte[] _destination = [];

    /// <summary>1,021 ends in another phase of the key than it begins in.</summary>
    [Params(16, 125, 1_021, 1_024, 65_536, 1_048_576)]
    public int Size { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _source = FrameData.Ascii(Size);
        _destination = new byte[Size];
    }

    [Benchmark(Baseline = true)]
    public void Copy() => _source.AsSpan().CopyTo(_destination);

    [Benchmark]
    public uint InPlace() => MaskingKey.Apply(FrameData.Key, _source, _source);

    [Benchmark]
    public uint ToAnotherPlace() => MaskingKey.Apply(FrameData.Key, _source, _destination);

    /// <summary>In two pieces, the first of which ends between two bytes of the key.</summary>
    [Benchmark]
    public uint InTwoPieces()
    {
        int cut = Size / 2 | 1;
        uint key = MaskingKey.Apply(FrameData.Key, _source.AsSpan(0, cut), _source.AsSpan(0, cut));
        return MaskingKey.Apply(key, _source.AsSpan(cut), _source.AsSpan(cut));
    }
}
