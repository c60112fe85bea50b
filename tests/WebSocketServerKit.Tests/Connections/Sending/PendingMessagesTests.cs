using System.Text;
using WebSocketServerKit.Buffers;
using WebSocketServerKit.Connections.Memory;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Connections.Sending;

public sealed class PendingMessagesTests : IDisposable
{
    private readonly LeakCheckingPool _pool = new();
    private readonly MemoryBudget _budget;
    private PendingFrames _pending;

    public PendingMessagesTests()
    {
        _budget = ConnectionStage.BudgetOf(_pool);
        _pending = new PendingFrames(_budget.Pool);
    }

    public void Dispose()
    {
        _pending.Release();
        _pool.AssertNothingRented();
        Assert.Equal(0, _budget.Used);
    }

    private void AddFrames(string frames) => _pending.Append(Encoding.ASCII.GetBytes(frames));

    private void Add(string message, string? key = null)
    {
        AddFrames(message);
        _pending.MarkLast(message.Length, key, _budget);
    }

    private void Replace(string key, string message)
    {
        Assert.True(_pending.TryFind(key, out int place));
        _pending.Replace(place, Encoding.ASCII.GetBytes(message));
        Assert.True(_pending.TryFind(key, out place));
        Assert.Equal(message, Encoding.ASCII.GetString(_pending.At(place)));
    }

    private int Drop(long excess)
    {
        int dropped = _pending.DropOldest(ref excess);
        return dropped;
    }

    private string Take(int most = int.MaxValue / 2)
    {
        var taken = new PooledBuffer(_budget.Pool);
        _pending.Take(ref taken, most);
        string text = Encoding.ASCII.GetString(taken.Written.Span);
        taken.Release();
        return text;
    }

    [Fact]
    public void A_replaced_message_keeps_its_place_whether_it_becomes_longer_or_shorter()
    {
        AddFrames("101 ");
        Add("a1 ", "a");
        Add("b1 ", "b");
        AddFrames("ping ");
        Add("c1 ", "c");
        Replace("b", "b2, longer ");
        Replace("a", "a2");
        Replace("c", "c2!");
        Assert.Equal(4 + 2 + 11 + 5 + 3, _pending.Length);
        Assert.Equal(2 + 11 + 3, _pending.MessageLength);
        Assert.Equal("101 a2b2, longer ping c2!", Take());
        Assert.True(_pending.IsEmpty);
    }

    [Fact]
    public void Only_messages_are_dropped_and_the_oldest_first()
    {
        AddFrames("1");
        Add("22");
        AddFrames("3");
        Add("44", "key");
        AddFrames("5");
        Add("66");
        Assert.Equal(1, Drop(1));
        Assert.Equal(1, Drop(1));
        Assert.False(_pending.TryFind("key", out _));
        AddFrames("7");
        Add("88");
        Assert.Equal(2, Drop(10_000));
        Assert.Equal(0, Drop(1));
        Assert.Equal("1357", Take());
    }

    [Fact]
    public void A_message_that_is_kept_is_not_dropped_although_it_is_the_oldest()
    {
        Add("a", "a");
        Add("b", "b");
        Assert.True(_pending.TryFind("a", out int place));
        long excess = 10_000;
        Assert.Equal(1, _pending.DropOldest(ref excess, keep: place));
        Assert.Equal(1, Drop(1));
        Assert.True(_pending.IsEmpty);
    }

    [Fact]
    public void Whole_messages_are_taken_up_to_the_limit_and_at_least_one()
    {
        Add("aaaa", "a");
        Add("bb", "b");
        Add("cc", "c");
        Assert.Equal("aaaa", Take(most: 1));
        Assert.False(_pending.TryFind("a", out _));
        Replace("b", "b2 longer ");
        Assert.Equal("b2 longer ", Take(most: 11));
        Assert.Equal("cc", Take(most: 11));
        Assert.Equal("", Take(most: 11));
    }

    [Fact]
    public void Frames_that_follow_each_other_cost_one_entry()
    {
        Add("a");
        long one = _pending.Counted - _pending.Length;
        AddFrames("x");
        long two = _pending.Counted - _pending.Length;
        for (int i = 0; i < 1000; i++)
            AddFrames("x");
        Assert.Equal((two, PendingMessages.EntrySize), (_pending.Counted - _pending.Length, one));
    }

    [Fact]
    public void The_memory_of_keys_counts()
    {
        Add("a", "0123456789");
        Assert.Equal(1 + PendingMessages.EntrySize + PendingMessages.KeySize + 20, _pending.Counted);
        Assert.Equal(_pending.Capacity, _budget.Used);
    }

    [Fact]
    public void Updates_of_the_same_size_need_no_more_memory_however_many()
    {
        for (int key = 0; key < 100; key++)
            Add("0123456789", $"{key}");
        int capacity = _pending.Capacity;
        int rents = _pool.Rents;
        for (int i = 0; i < 100_000; i++)
            Replace($"{i % 100}", "9876543210");
        Assert.Equal((capacity, rents), (_pending.Capacity, _pool.Rents));
    }

    [Fact]
    public void Garbage_is_removed_before_it_takes_a_third_of_what_lives()
    {
        var random = new Random(1);
        for (int key = 0; key < 100; key++)
            Add(new string('x', 50), $"{key}");
        int most = 0;
        for (int i = 0; i < 10_000; i++)
        {
            Replace($"{random.Next(100)}", new string('y', random.Next(10, 100)));
            most = Math.Max(most, _pending.Capacity);
        }

        Assert.InRange(most, 5000, (8 * 100 * 100 / 3) + (100 * (PendingMessages.EntrySize + PendingMessages.KeySize + 4)));
        for (int i = 0; i < 10_000; i++)
        {
            Add("next");
            Drop(1);
        }

        Assert.Equal(100 * 4, Take().Length);
    }

    [Fact]
    public void Moved_behind_others_messages_can_still_be_dropped_and_replaced()
    {
        AddFrames("first ");
        Add("a1 ", "a");
        var behind = new PendingFrames(_budget.Pool);
        behind.Append("plain "u8);
        behind.Append("b1 "u8);
        behind.MarkLast(3, "b", _budget);
        behind.Append("c1 "u8);
        behind.MarkLast(3, null, _budget);
        behind.MoveTo(ref _pending);
        Assert.Equal(0, behind.Length);
        Replace("b", "b2, longer ");
        Assert.Equal(1, Drop(1));
        Assert.Equal("first plain b2, longer c1 ", Take());
    }

    [Fact]
    public void Plain_frames_are_moved_behind_messages_as_they_are()
    {
        Add("a1 ", "a");
        var behind = new PendingFrames(_budget.Pool);
        behind.Append("plain"u8);
        behind.MoveTo(ref _pending);
        Assert.Equal(1, Drop(1000));
        Assert.Equal("plain", Take());
    }
}
