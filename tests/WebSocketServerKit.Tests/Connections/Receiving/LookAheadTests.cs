using System.Buffers;
using System.Text;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Connections.Receiving;

public sealed class LookAheadTests : IAsyncDisposable
{
    private readonly ConnectionStage _stage = new();
    private readonly LookAhead _ahead;

    public LookAheadTests() => _ahead = new LookAhead(_stage.Connection, _stage.Transport, _stage.Pool, rsv1: false);

    public async ValueTask DisposeAsync()
    {
        _ahead.Done();
        _ahead.Release();
        Assert.Equal(0, _ahead.HeldBytes);
        await _stage.DisposeAsync();
        Assert.Equal(0, _stage.Pool.Rented);
    }

    private byte[] TakeAll()
    {
        List<byte> all = [];
        while (_ahead.TryTake(out Memory<byte> bytes))
        {
            all.AddRange(bytes.Span);
            _ahead.Done();
        }

        return [.. all];
    }

    [Fact]
    public void Where_nothing_has_come_it_holds_nothing_and_has_seen_all()
    {
        _ahead.Look(run: 1, [], isOpen: true);
        Assert.Equal((true, true, 0), (_ahead.IsEmpty, _ahead.SeesAll, _ahead.HeldBytes));
        Assert.False(_ahead.TryTake(out _));
    }

    [Fact]
    public void What_has_come_is_kept_for_its_turn_in_the_order_of_the_wire()
    {
        byte[] bytes = RandomBytes(50_000);
        foreach (byte[] piece in bytes.Chunk(777))
        {
            _stage.Transport.Receive(piece);
            _ahead.Look(run: 1, [], isOpen: false);
            Assert.True(_ahead.SeesAll);
        }

        Assert.Equal(bytes, TakeAll());
        Assert.True(_ahead.IsEmpty);
    }

    [Fact]
    public void What_it_reads_ahead_is_bounded_and_the_rest_stays_in_the_socket()
    {
        _stage.Transport.Receive(RandomBytes(200_000));
        _ahead.Look(run: 1, [], isOpen: false);
        _ahead.Look(run: 1, [], isOpen: false);
        Assert.False(_ahead.SeesAll);
        Assert.Equal(LookAhead.Limit, _ahead.HeldBytes);
        Assert.True(_stage.Transport.HasUnread);
        TakeAll();
        _ahead.Look(run: 3, [], isOpen: false);
        Assert.Equal(LookAhead.Limit, _ahead.HeldBytes);
    }

    [Fact]
    public void Few_bytes_at_a_time_share_a_piece()
    {
        for (int i = 0; i < 100; i++)
        {
            _stage.Transport.Receive([(byte)i]);
            _ahead.Look(run: 1, [], isOpen: false);
        }

        Assert.Equal(4096, _ahead.HeldBytes);
        Assert.Equal([.. Enumerable.Range(0, 100).Select(i => (byte)i)], TakeAll());
    }

    [Fact]
    public void A_Ping_is_answered_once_and_not_again_in_its_turn()
    {
        _stage.Transport.Receive(Frames.Text("before"), Frames.Frame(Opcode.Ping, "1"u8));
        _ahead.Look(run: 1, Frames.Frame(Opcode.Ping, "rest"u8), isOpen: true);
        _ahead.Look(run: 1, Frames.Frame(Opcode.Ping, "rest"u8), isOpen: true);
        Assert.Equal("Pong rest\nPong 1", _stage.Sent);
        Assert.True(_ahead.TakeAnswered());
        Assert.True(_ahead.TakeAnswered());
        Assert.False(_ahead.TakeAnswered());
    }

    [Fact]
    public void The_next_handler_that_runs_for_long_has_no_Ping_answered_twice()
    {
        byte[] pings = [.. Frames.Frame(Opcode.Ping, "1"u8), .. Frames.Frame(Opcode.Ping, "2"u8)];
        _ahead.Look(run: 1, pings, isOpen: true);
        // The first has had its turn, then another handler runs.
        Assert.True(_ahead.TakeAnswered());
        _stage.Transport.Receive(Frames.Frame(Opcode.Ping, "3"u8));
        _ahead.Look(run: 3, Frames.Frame(Opcode.Ping, "2"u8), isOpen: true);
        Assert.Equal("Pong 1\nPong 2\nPong 3", _stage.Sent);
    }

    [Fact]
    public void Before_the_answer_to_the_handshake_no_frame_is_answered()
    {
        _stage.Transport.Receive(Frames.Frame(Opcode.Ping, "early"u8));
        _ahead.Look(run: 1, [], isOpen: false);
        Assert.Empty(_stage.Transport.Writes);
        _ahead.Look(run: 3, [], isOpen: true);
        Assert.Equal("Pong early", _stage.Sent);
    }

    [Fact]
    public void Bytes_that_were_received_before_come_first()
    {
        _ahead.Add(new ReadOnlySequence<byte>("ab"u8.ToArray()));
        _stage.Transport.Receive("cd"u8.ToArray());
        _ahead.Look(run: 1, [], isOpen: false);
        Assert.Equal("abcd", Encoding.ASCII.GetString(TakeAll()));
    }

    [Fact]
    public void To_release_it_leaves_what_was_taken_last_to_who_reads_it()
    {
        _ahead.Add(new ReadOnlySequence<byte>("taken"u8.ToArray()));
        Assert.True(_ahead.TryTake(out Memory<byte> taken));
        _ahead.Add(new ReadOnlySequence<byte>("not taken"u8.ToArray()));
        _ahead.Release();
        Assert.Equal(1, _stage.Pool.Rented);
        Assert.Equal("taken", Encoding.ASCII.GetString(taken.Span));
    }

    private static byte[] RandomBytes(int count)
    {
        byte[] bytes = new byte[count];
        new Random(1).NextBytes(bytes);
        return bytes;
    }
}
