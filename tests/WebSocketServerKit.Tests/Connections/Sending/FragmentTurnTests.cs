using System.Text;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Connections.Sending;

/// <summary>A message that is sent in fragments, and what others send meanwhile.</summary>
public sealed class FragmentTurnTests : IAsyncDisposable
{
    private readonly LeakCheckingPool _pool = new();
    private readonly ScriptedTransport _transport = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask DisposeAsync()
    {
        Assert.Empty(_transport.Breaches);
        _pool.AssertNothingRented();
        await _transport.DisposeAsync();
    }

    private SendQueue Queue(int limit = 1000) => new(_transport, limit, ConnectionStage.BudgetOf(_pool));

    private static byte[] Frame(Opcode opcode, string payload, bool fin)
    {
        byte[] frame = new byte[2 + payload.Length];
        FrameHeaderWriter.Write(frame, opcode, payload.Length, fin);
        Encoding.ASCII.GetBytes(payload, frame.AsSpan(2));
        return frame;
    }

    private static Task<SendOutcome> BeginAsync(SendQueue queue) => queue.BeginFragmentsAsync(Cancellation);

    private static Task<SendOutcome> FirstAsync(SendQueue queue, string payload) => queue.SendFragmentAsync(Frame(Opcode.Text, payload, fin: false), Cancellation);

    private static Task<SendOutcome> NextAsync(SendQueue queue, string payload) => queue.SendFragmentAsync(Frame(Opcode.Continuation, payload, fin: false), Cancellation);

    private static Task<SendOutcome> LastAsync(SendQueue queue, string payload, long length = 0) =>
        queue.SendLastFragmentAsync(Frame(Opcode.Continuation, payload, fin: true), length, Cancellation);

    private static void AssertAccepted(Task<SendOutcome> sending)
    {
        Assert.True(sending.IsCompletedSuccessfully, "It waits.");
        Assert.True(sending.Result.IsAccepted, $"{sending.Result}");
    }

    private void AssertSent(params IEnumerable<string> frames) => Assert.Equal(string.Join('\n', frames), string.Join('\n', _transport.Frames));

    [Fact]
    public void Fragments_leave_as_they_come_and_count_as_one_message()
    {
        SendQueue queue = Queue();
        AssertAccepted(BeginAsync(queue));
        Assert.Empty(_transport.Writes);
        AssertAccepted(FirstAsync(queue, "a"));
        AssertAccepted(NextAsync(queue, "bc"));
        Assert.Equal(2, _transport.Writes.Count);
        Assert.Equal(0, queue.MessagesSent);
        AssertAccepted(LastAsync(queue, "d", length: 4));
        AssertSent("Text a…", "Continuation bc…", "Continuation d");
        Assert.Equal((1, 4), (queue.MessagesSent, queue.BytesSent));
    }

    [Fact]
    public async Task Whole_messages_are_kept_behind_the_last_fragment_in_their_order()
    {
        SendQueue queue = Queue(limit: 200_000);
        AssertAccepted(BeginAsync(queue));
        Assert.Equal(SendOutcome.Queued, queue.TrySend("text"));
        AssertAccepted(FirstAsync(queue, "a"));
        Assert.Equal(SendOutcome.Queued, queue.TrySend(Opcode.Text, "bytes"u8));
        Assert.Equal(SendOutcome.Queued, queue.TrySendFrame(Frame(Opcode.Text, "frame", fin: true), 5));
        AssertAccepted(queue.WaitAndSendFrameAsync(Frame(Opcode.Text, "waited", fin: true), 6, Cancellation));
        Assert.Equal(SendOutcome.Queued, queue.TrySend(Opcode.Binary, new byte[100_000]));
        Assert.Equal(6 + 7 + 7 + 8 + 100_010, queue.BufferedBytes);
        Assert.False(queue.IsDraining);
        AssertSent("Text a…");

        AssertAccepted(LastAsync(queue, "z"));
        await queue.WhenDrained().InTime();
        AssertSent("Text a…", "Continuation z", "Text text", "Text bytes", "Text frame", "Text waited", $"Binary {new string('\0', 100_000)}");
        Assert.Equal(0, queue.BufferedBytes);
        Assert.Equal(SendOutcome.Sent, queue.TrySend("after"));
        Assert.Equal("Text after", _transport.Frames[^1].ToString());
    }

    // 5.5: "Control frames [...] can be interjected in the middle of a fragmented message."
    [Fact]
    public void Control_frames_go_between_the_fragments()
    {
        SendQueue queue = Queue();
        AssertAccepted(BeginAsync(queue));
        AssertAccepted(FirstAsync(queue, "a"));
        queue.Ping("1"u8);
        queue.Pong("2"u8);
        AssertAccepted(LastAsync(queue, "z"));
        AssertSent("Text a…", "Ping 1", "Pong 2", "Continuation z");
    }

    [Fact]
    public async Task A_second_message_in_fragments_waits_for_the_end_of_the_first_and_keeps_its_place_before_whole_ones()
    {
        SendQueue queue = Queue();
        AssertAccepted(BeginAsync(queue));
        Task<SendOutcome> second = BeginAsync(queue);
        Task<SendOutcome> behind = queue.WaitAndSendFrameAsync(Frame(Opcode.Text, "behind", fin: true), 6, Cancellation);
        Assert.Equal(SendOutcome.Dropped, queue.TrySend("never"));
        AssertAccepted(FirstAsync(queue, "a"));
        Assert.False(second.IsCompleted);
        AssertAccepted(LastAsync(queue, "b"));
        Assert.Equal(SendOutcome.Queued, await second.InTime());
        Assert.Equal(SendOutcome.Queued, await behind.InTime());
        AssertAccepted(FirstAsync(queue, "c"));
        AssertAccepted(LastAsync(queue, "d"));
        AssertSent("Text a…", "Continuation b", "Text c…", "Continuation d", "Text behind");
    }

    [Fact]
    public async Task Cancelled_while_it_waits_for_its_turn_a_message_lets_those_behind_it_through()
    {
        SendQueue queue = Queue();
        AssertAccepted(BeginAsync(queue));
        using var cancellation = new CancellationTokenSource();
        Task<SendOutcome> second = queue.BeginFragmentsAsync(cancellation.Token);
        Task<SendOutcome> behind = queue.WaitAndSendFrameAsync(Frame(Opcode.Text, "behind", fin: true), 6, Cancellation);
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => second);
        Assert.Equal(SendOutcome.Queued, await behind.InTime());
        AssertAccepted(LastAsync(queue, "a"));
        AssertSent("Continuation a", "Text behind");
    }

    [Fact]
    public async Task What_is_kept_behind_fragments_is_limited_and_what_is_larger_than_that_waits_for_their_end()
    {
        SendQueue queue = Queue(limit: 20);
        AssertAccepted(BeginAsync(queue));
        Task<SendOutcome> large = queue.WaitAndSendFrameAsync(Frame(Opcode.Text, new string('x', 30), fin: true), 30, Cancellation);
        Assert.Equal(SendOutcome.Dropped, queue.TrySend("0123456789"));
        Assert.False(large.IsCompleted);
        AssertAccepted(FirstAsync(queue, "a"));
        Assert.False(large.IsCompleted);
        AssertAccepted(LastAsync(queue, "b"));
        Assert.Equal(SendOutcome.Queued, await large.InTime());

        AssertAccepted(BeginAsync(queue));
        Assert.Equal(SendOutcome.Queued, queue.TrySend("0123456789"));
        Assert.Equal(SendOutcome.Dropped, queue.TrySend("0123456789"));
        Assert.Equal(12, queue.BufferedBytes);
        AssertAccepted(LastAsync(queue, "c"));
        await queue.WhenDrained().InTime();
        AssertSent("Text a…", "Continuation b", $"Text {new string('x', 30)}", "Continuation c", "Text 0123456789");
    }

    [Fact]
    public async Task What_waits_because_the_queue_is_full_gets_in_behind_the_fragments_when_there_is_room()
    {
        SendQueue queue = Queue(limit: 20);
        AssertAccepted(BeginAsync(queue));
        _transport.HoldWrites();
        AssertAccepted(FirstAsync(queue, "0123456789"));
        Task<SendOutcome> waiting = queue.WaitAndSendFrameAsync(Frame(Opcode.Text, "0123456789", fin: true), 10, Cancellation);
        Assert.False(waiting.IsCompleted);
        _transport.LetAllWritesEnd();
        Assert.Equal(SendOutcome.Queued, await waiting.InTime());
        AssertAccepted(LastAsync(queue, "z"));
        await queue.WhenDrained().InTime();
        AssertSent("Text 0123456789…", "Continuation z", "Text 0123456789");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_fragment_waits_for_room_and_goes_before_all_that_stand_in_line(bool last)
    {
        SendQueue queue = Queue(limit: 20);
        AssertAccepted(BeginAsync(queue));
        _transport.HoldWrites();
        AssertAccepted(FirstAsync(queue, "0123456789"));
        Task<SendOutcome> message = queue.WaitAndSendFrameAsync(Frame(Opcode.Text, "0123456789", fin: true), 10, Cancellation);
        Task<SendOutcome> fragment = last ? LastAsync(queue, "0123456789") : NextAsync(queue, "0123456789");
        Assert.False(fragment.IsCompleted);
        _transport.LetAllWritesEnd();
        Assert.Equal(SendOutcome.Queued, await fragment.InTime());
        if (!last)
            AssertAccepted(LastAsync(queue, ""));
        Assert.Equal(SendOutcome.Queued, await message.InTime());
        await queue.WhenDrained().InTime();
        AssertSent([.. (string[])(last ? ["Text 0123456789…", "Continuation 0123456789"] : ["Text 0123456789…", "Continuation 0123456789…", "Continuation "]), "Text 0123456789"]);
    }

    [Fact]
    public async Task Fragments_get_on_though_what_is_behind_them_fills_the_queue()
    {
        SendQueue queue = Queue(limit: 12);
        AssertAccepted(BeginAsync(queue));
        Assert.Equal(SendOutcome.Queued, queue.TrySend("0123456789"));
        _transport.HoldWrites();
        AssertAccepted(FirstAsync(queue, "a"));
        Task<SendOutcome> second = NextAsync(queue, "b");
        Assert.False(second.IsCompleted);
        _transport.LetAllWritesEnd();
        Assert.Equal(SendOutcome.Queued, await second.InTime());
        Assert.Equal(SendOutcome.Sent, await LastAsync(queue, "c").InTime());
        await queue.WhenDrained().InTime();
        AssertSent("Text a…", "Continuation b…", "Continuation c", "Text 0123456789");
    }

    [Fact]
    public async Task A_fragment_that_is_cancelled_while_it_waits_is_not_sent_and_the_turn_goes_on()
    {
        SendQueue queue = Queue(limit: 12);
        AssertAccepted(BeginAsync(queue));
        _transport.HoldWrites();
        AssertAccepted(FirstAsync(queue, "0123456789"));
        using var cancellation = new CancellationTokenSource();
        Task<SendOutcome> last = queue.SendLastFragmentAsync(Frame(Opcode.Continuation, "never", fin: true), 0, cancellation.Token);
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => last);
        _transport.LetAllWritesEnd();
        await queue.WhenDrained().InTime();
        Assert.Equal(SendOutcome.Queued, queue.TrySend("behind"));
        AssertAccepted(LastAsync(queue, "z"));
        AssertSent("Text 0123456789…", "Continuation z", "Text behind");
    }

    [Fact]
    public async Task A_message_of_which_nothing_was_sent_can_be_taken_back_and_the_next_has_its_turn()
    {
        SendQueue queue = Queue();
        AssertAccepted(BeginAsync(queue));
        queue.TrySend("1");
        Task<SendOutcome> second = BeginAsync(queue);
        queue.TakeBackFragments();
        Assert.Equal(SendOutcome.Queued, await second.InTime());
        AssertSent("Text 1");
        Task<SendOutcome> third = BeginAsync(queue);
        queue.TakeBackFragments();
        Assert.Equal(SendOutcome.Queued, await third.InTime());
        queue.TakeBackFragments();
        Assert.Equal(SendOutcome.Sent, queue.TrySend("2"));
        AssertSent("Text 1", "Text 2");
        Assert.Equal(2, queue.MessagesSent);
    }

    [Fact]
    public async Task Taken_back_while_the_transport_is_busy_it_lets_the_others_follow()
    {
        SendQueue queue = Queue();
        _transport.HoldWrites();
        queue.TrySend("1");
        AssertAccepted(BeginAsync(queue));
        queue.TrySend("2");
        queue.TakeBackFragments();
        _transport.LetAllWritesEnd();
        await queue.WhenDrained().InTime();
        AssertSent("Text 1", "Text 2");
    }

    [Theory]
    [InlineData("close")]
    [InlineData("end")]
    [InlineData("fail")]
    [InlineData("lost")]
    public async Task When_the_connection_ends_the_rest_is_refused_and_what_is_behind_it_is_let_go(string how)
    {
        SendQueue queue = Queue();
        AssertAccepted(BeginAsync(queue));
        AssertAccepted(FirstAsync(queue, "a"));
        queue.TrySend("behind");
        Task<SendOutcome> waiting = BeginAsync(queue);
        switch (how)
        {
            case "close":
                Assert.True(queue.Close(CloseCode.InternalError, ""));
                break;
            case "end":
                queue.End();
                break;
            case "fail":
                queue.Fail(new IOException("over"));
                break;
            default:
                _transport.FailWrites(new IOException("lost"));
                queue.Ping(default);
                break;
        }

        Assert.Equal(SendOutcome.Closed, await waiting.InTime());
        Assert.Equal(SendOutcome.Closed, await NextAsync(queue, "b").InTime());
        Assert.Equal(SendOutcome.Closed, await LastAsync(queue, "c").InTime());
        Assert.Equal(SendOutcome.Closed, await BeginAsync(queue).InTime());
        queue.TakeBackFragments();
        Assert.Equal(0, queue.BufferedBytes);
        Assert.Equal(how == "close" ? [Opcode.Text, Opcode.Close] : [Opcode.Text], _transport.Frames.Select(frame => frame.Opcode));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task When_the_connection_is_closed_before_the_first_fragment_what_was_accepted_behind_it_still_goes(bool byPeer)
    {
        SendQueue queue = Queue();
        AssertAccepted(BeginAsync(queue));
        queue.TrySend("behind");
        if (byPeer)
            queue.End();
        else
            queue.Close(CloseCode.NormalClosure, "");
        Assert.Equal(SendOutcome.Closed, await FirstAsync(queue, "a").InTime());
        queue.TakeBackFragments();
        Assert.Equal((Opcode[])(byPeer ? [Opcode.Text] : [Opcode.Text, Opcode.Close]), _transport.Frames.Select(frame => frame.Opcode));
    }

    [Fact]
    public async Task Sixteen_senders_of_both_kinds_never_mix_their_messages()
    {
        const int Senders = 16, Messages = 60;
        SendQueue queue = Queue(limit: 300);
        int writes = 0;
        _transport.OnWrite = () =>
        {
            if (Interlocked.Increment(ref writes) % 3 != 0)
                return;
            _transport.HoldWrites();
            ThreadPool.UnsafeQueueUserWorkItem(_ => _transport.LetAllWritesEnd(), null);
        };
        await Task.WhenAll(Enumerable.Range(0, Senders).Select(sender => Task.Run(
            async () =>
            {
                for (int i = 0; i < Messages; i++)
                {
                    string text = $"{sender:x}{i:00}";
                    if (sender % 2 == 0)
                    {
                        Assert.True((await queue.WaitAndSendFrameAsync(Frame(Opcode.Text, text, fin: true), 3, Cancellation)).IsAccepted);
                        continue;
                    }

                    Assert.True((await BeginAsync(queue)).IsAccepted);
                    if (i % 7 == 0)
                    {
                        queue.TakeBackFragments();
                        continue;
                    }

                    Assert.True((await FirstAsync(queue, text[..1])).IsAccepted);
                    Assert.True((await NextAsync(queue, text[1..2])).IsAccepted);
                    Assert.True((await LastAsync(queue, text[2..], length: 3)).IsAccepted);
                }
            },
            Cancellation))).InTime();
        _transport.LetAllWritesEnd();
        await queue.WhenDrained().InTime();

        List<string> messages = [];
        string begun = "";
        foreach (SentFrame frame in _transport.Frames)
        {
            Assert.Equal(begun.Length == 0 ? Opcode.Text : Opcode.Continuation, frame.Opcode);
            begun += frame.Text;
            if (!frame.Fin)
                continue;
            messages.Add(begun);
            begun = "";
        }

        Assert.Empty(begun);
        foreach (int sender in Enumerable.Range(0, Senders))
        {
            IEnumerable<string> expected = Enumerable.Range(0, Messages).Where(i => sender % 2 == 0 || i % 7 != 0).Select(i => $"{sender:x}{i:00}");
            IEnumerable<string> sent = messages.Where(message => message.StartsWith($"{sender:x}", StringComparison.Ordinal));
            Assert.Equal(string.Join(' ', expected), string.Join(' ', sent));
        }

        Assert.Equal(messages.Count, queue.MessagesSent);
    }
}
