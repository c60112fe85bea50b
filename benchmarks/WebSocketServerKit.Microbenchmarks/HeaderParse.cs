using BenchmarkDotNet.Attributes;
using WebSocketServerKit.Protocol.Framing;

namespace WebSocketServerKit.Microbenchmarks;

public class HeaderParse
{
    private const int Times = 64;

    private byte[] _frame = [];

    /// <summary>Of the payload: one size for each form of the length.</summary>
    [Params(125, 126, 65_536)]
    public int Size { get; set; }

    [GlobalSetup]
    public void Setup() => _frame = FrameData.Frames(Opcode.Binary, Size, 1);

    [Benchmark(OperationsPerInvoke = Times)]
    public long Parse()
    {
        long sum = 0;
        for (int i = 0; i < Times; i++)
        {
            if (FrameHeaderParser.TryParse(_frame, out FrameHeader header, out _))
                sum += header.PayloadLength;
        }

        return sum;
    }
}
