using System.Text;
using WebSocketServerKit.Connections.Memory;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Connections.Sending;

/// <summary>A send queue beside a model of it, which is a plain list: both get the same random calls, and the model says what must be on the wire.</summary>
public sealed class SendQueueModelTests : IAsyncDisposable
{
    private readonly LeakCheckingPool _pool = new();
    private readonly ScriptedTransport _transport = new();

    public async ValueTask DisposeAsync() => await _transport.DisposeAsync();

    public static TheoryData<int, SlowClientPolicy> Seeds
    {
        get
        {
            var seeds = new TheoryData<int, SlowClientPolicy>();
            for (int seed = 0; seed < 30; seed++)
            {
                seeds.Add(seed, SlowClientPolicy.Wait);
                seeds.Add(seed, SlowClientPolicy.DropNewest);
                seeds.Add(seed, SlowClientPolicy.DropOldest);
            }

            return seeds;
        }
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public async Task What_reaches_the_client_is_what_the_model_says(int seed, SlowClientPolicy policy)
    {
        var random = new Random(seed);
        int limit = random.Next(300, 6000);
        MemoryBudget budget = ConnectionStage.BudgetOf(_pool);
        var queue = new SendQueue(_transport, limit, budget) { Policy = policy };
        var model = new Model(queue, policy, limit);
        _transport.HoldWrites();
        for (int step = 0; step < 600; step++)
        {
            switch (random.Next(20))
            {
                case < 6:
                    model.Send(key: null, random);
                    break;
                case < 14:
                    model.Send($"key {random.Next(12)}", random);
                    break;
                case 14:
                    model.Ping();
                    break;
                case 15:
                    model.Fragment(last: false);
                    break;
                case 16:
                    model.Fragment(last: true);
                    break;
                default:
                    await EndWriteAsync(queue);
                    break;
            }

            model.Check(_transport.Writes);
        }

        while (model.HasTurn)
        {
            model.Fragment(last: true);
            await EndWriteAsync(queue);
            model.Check(_transport.Writes);
        }

        queue.Close(CloseCode.NormalClosure, "");
        _transport.LetAllWritesEnd();
        await queue.WhenDrained().InTime();
        model.CheckEnd(_transport.Writes);
        Assert.Empty(_transport.Breaches);
        _pool.AssertNothingRented();
        Assert.Equal(0, budget.Used);
    }

    // The write under way ends, and the next one has begun, if there is one.
    private async Task EndWriteAsync(SendQueue queue)
    {
        int writes = _transport.Writes.Count;
        if (!queue.IsDraining)
            return;
        _transport.LetWriteEnd();
        _transport.HoldWrites();
        await Polling.UntilAsync(() => !queue.IsDraining || _transport.Writes.Count > writes);
    }

    private sealed class Model(SendQueue queue, SlowClientPolicy policy, int limit)
    {
        private const int MostOverhead = PendingMessages.EntrySize + PendingMessages.KeySize + 2 * 6;

        private readonly List<Item> _pending = [];
        private readonly List<Item> _behind = []; // the message in fragments
        private (Item Item, bool IsLast, Task<SendOutcome> Sending)? _waiting; // a fragment
        private int _writes;
        private int _number;
        private int _largest = 200;
        private bool _hasBegun;

        public bool HasTurn { get; private set; }

        private List<Item> Messages => HasTurn ? _behind : _pending;

        private int Live => _pending.Sum(item => item.Size) + _behind.Sum(item => item.Size);

        public void Send(string? key, Random random)
        {
            string text = $"{key}:{_number++}:" + new string('x', random.Next(3) == 0 ? random.Next(limit / 2) : random.Next(40));
            byte[] frame = SendQueue.ToFrame(Opcode.Text, Encoding.ASCII.GetBytes(text));
            var item = new Item($"Text {text}", frame.Length, key, IsMessage: true);
            _largest = Math.Max(_largest, frame.Length);
            bool isBusy = queue.IsDraining || HasTurn;
            int before = queue.BufferedBytes;
            long dropped = queue.MessagesDropped;
            SendOutcome outcome = key is null ? queue.TrySend(text) : queue.TrySendLatest(key, frame, frame, text.Length);
            int newlyDropped = (int)(queue.MessagesDropped - dropped);

            List<Item>? holder = key is null ? null : new[] { _pending, _behind }.FirstOrDefault(list => list.Exists(other => other.Key == key));
            int more = frame.Length - (holder?.Find(other => other.Key == key)!.Size ?? 0);
            switch (outcome)
            {
                case SendOutcome.Sent:
                    Assert.False(isBusy);
                    Assert.Null(holder);
                    _pending.Add(item with { IsMessage = false, Key = null }); // and it is taken at once
                    break;
                case SendOutcome.Queued:
                    Assert.True(isBusy);
                    Assert.Null(holder);
                    Drop(newlyDropped, keep: null);
                    Messages.Add(policy == SlowClientPolicy.DropOldest || key is not null ? item : item with { IsMessage = false });
                    break;
                case SendOutcome.Replaced:
                    Assert.NotNull(holder);
                    Drop(newlyDropped, key);
                    holder[holder.FindIndex(other => other.Key == key)] = item;
                    break;
                default:
                    Assert.Equal((SendOutcome.Dropped, 1), (outcome, newlyDropped));
                    // It did not fit, or what cannot be dropped takes the room.
                    Assert.True(isBusy);
                    bool passesNobody = policy == SlowClientPolicy.Wait && holder is null && _waiting is not null;
                    Assert.True(passesNobody || before + ((_pending.Count + _behind.Count + 1) * MostOverhead) + more > limit, "There was room.");
                    if (policy == SlowClientPolicy.DropOldest)
                        Assert.True(_pending.Concat(_behind).Where(other => !other.IsMessage).Sum(other => other.Size) > limit / 2, "There was something to drop.");
                    return;
            }

            if (newlyDropped == 0 && isBusy && policy != SlowClientPolicy.DropOldest && more > 0)
                Assert.True(before + more <= limit, "There was no room.");
            if (newlyDropped > 0)
                Assert.Equal(SlowClientPolicy.DropOldest, policy);
        }

        public void Ping()
        {
            string payload = $"{_number++}";
            queue.Ping(Encoding.ASCII.GetBytes(payload));
            _pending.Add(new Item($"Ping {payload}", 2 + payload.Length, null, IsMessage: false));
        }

        public void Fragment(bool last)
        {
            if (_waiting is not null)
                return;
            if (!HasTurn)
            {
                if (last)
                    return;
                Assert.True(queue.BeginFragmentsAsync(default).Result.IsAccepted);
                HasTurn = true;
            }

            string payload = $"{_number++}";
            byte[] frame = new byte[2 + payload.Length];
            FrameHeaderWriter.Write(frame, _hasBegun ? Opcode.Continuation : Opcode.Text, payload.Length, last);
            Encoding.ASCII.GetBytes(payload, frame.AsSpan(2));
            var item = new Item($"{(_hasBegun ? Opcode.Continuation : Opcode.Text)} {payload}{(last ? "" : "…")}", frame.Length, null, IsMessage: false);
            _waiting = (item, last, last ? queue.SendLastFragmentAsync(frame, 1, default) : queue.SendFragmentAsync(frame, default));
            _hasBegun = !last;
            Admit();
        }

        // A fragment that has waited for room is pending now.
        private void Admit()
        {
            if (_waiting is not { Sending.IsCompleted: true } waiting)
                return;
            _waiting = null;
            _pending.Add(waiting.Item);
            if (!waiting.IsLast)
                return;
            HasTurn = false;
            _pending.AddRange(_behind);
            _behind.Clear();
        }

        public void Check(IReadOnlyList<byte[]> writes)
        {
            Admit();
            for (; _writes < writes.Count; _writes++)
            {
                foreach (SentFrame frame in SentFrame.Parse(writes[_writes]))
                    Take(frame);
            }

            Assert.InRange(queue.BufferedBytes, Live, limit + 2 * _largest);
            Assert.InRange(queue.HeldBytes, 0, (4L * limit) + (4 * _largest) + 4096);
        }

        public void CheckEnd(IReadOnlyList<byte[]> writes)
        {
            List<SentFrame> left = [.. writes.Skip(_writes).SelectMany(write => SentFrame.Parse(write))];
            Assert.Equal(Opcode.Close, left[^1].Opcode);
            left.RemoveAt(left.Count - 1);
            left.ForEach(Take);
            Assert.Empty(_pending);
        }

        private void Take(SentFrame frame)
        {
            Assert.NotEmpty(_pending);
            Assert.Equal(_pending[0].Text, frame.ToString());
            _pending.RemoveAt(0);
        }

        private void Drop(int count, string? keep)
        {
            foreach (List<Item> list in new[] { _pending, _behind })
            {
                for (int i = 0; i < list.Count && count > 0; i++)
                {
                    if (!list[i].IsMessage || (keep is not null && list[i].Key == keep))
                        continue;
                    list.RemoveAt(i--);
                    count--;
                }
            }

            Assert.Equal(0, count);
        }

        private sealed record Item(string Text, int Size, string? Key, bool IsMessage);
    }
}
