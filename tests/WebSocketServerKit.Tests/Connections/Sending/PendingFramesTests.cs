using System.Text;
using WebSocketServerKit.Buffers;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Connections.Sending;

public sealed class PendingFramesTests
{
    private readonly LeakCheckingPool _pool = new();

    private string Take(ref PendingFrames pending)
    {
        var taken = new PooledBuffer(_pool);
        pending.Take(ref taken, int.MaxValue / 2);
        string text = Encoding.Latin1.GetString(taken.Written.Span);
        taken.Release();
        Assert.True(pending.IsEmpty);
        Assert.Equal(0, _pool.Rented);
        return text;
    }

    [Fact]
    public void Frames_lie_in_the_order_in_which_they_were_appended()
    {
        var pending = new PendingFrames(_pool);
        Assert.Equal((true, 0), (pending.IsEmpty, pending.Capacity));
        pending.Append(Opcode.Binary, "bytes"u8);
        pending.Append("\u00fc", 2);
        pending.Append("ready"u8);
        Assert.Equal(7 + 4 + 5, pending.Length);
        Assert.InRange(pending.Capacity, 16, 10_000);
        Assert.Equal("\u0082\u0005bytes\u0081\u0002\u00c3\u00bcready", Take(ref pending));
    }

    [Fact]
    public void Moved_they_lie_behind_those_of_the_other_and_their_memory_is_given_back()
    {
        var pending = new PendingFrames(_pool);
        var behind = new PendingFrames(_pool);
        behind.MoveTo(ref pending);
        Assert.Equal(0, _pool.Rented);
        behind.Append("behind"u8);
        pending.Append("first, "u8);
        behind.MoveTo(ref pending);
        Assert.Equal((0, 1), (behind.Length, _pool.Rented));
        Assert.Equal("first, behind", Take(ref pending));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Dropped_they_hold_no_memory(bool discard)
    {
        var pending = new PendingFrames(_pool);
        pending.Append("dropped"u8);
        if (discard)
            pending.Discard();
        else
            pending.Release();
        Assert.Equal((0, 0, 0), (pending.Length, pending.Capacity, _pool.Rented));
    }
}
