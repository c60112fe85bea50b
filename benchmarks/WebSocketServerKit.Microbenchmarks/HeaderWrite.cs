using BenchmarkDotNet.Attributes;
using WebSocketServerKit.Protocol.Framing;

namespace WebSocketServerKit.Microbenchmarks;

public class HeaderWrite
{
    private const int Times = 64;

    private readonly byte[] _destination = new byte[FrameHeaderWriter.MaxSize];

    /// <summary>Of the payload: one size for each form of the length.</summary>
    [Params(125, 126, 65_536)]
    public int Size { get; set; }

    [Benchmark(OperationsPerInvoke = Times)]
    public int Write()
    {
        int sum = 0;
        for (int i = 0; i < Times; i++)
            sum += FrameHeaderWriter.Write(_destination, Opcode.Binary, Size);
        return sum;
    }
}
