using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Buffers;

public sealed class PooledBufferTests : IDisposable
{
    private readonly LeakCheckingPool _pool = new();

    public void Dispose() => _pool.AssertNothingRented();

    [Fact]
    public void Rents_nothing_before_something_is_written()
    {
        var buffer = new PooledBuffer(_pool);
        Assert.True(buffer.IsEmpty);
        Assert.Equal((0, 0), (buffer.Length, buffer.Capacity));
        Assert.True(buffer.Written.IsEmpty);
        buffer.Clear();
        buffer.Release();
        buffer.Forget();
        Assert.Equal(0, _pool.Rents);
    }

    [Fact]
    public void Gathers_what_is_appended_in_order()
    {
        var buffer = new PooledBuffer(_pool);
        buffer.Append("ab"u8);
        buffer.Append([]);
        buffer.Append("cde"u8);
        Assert.False(buffer.IsEmpty);
        Assert.Equal(5, buffer.Length);
        Assert.Equal("abcde"u8, buffer.Written.Span);
        buffer.Release();
    }

    [Fact]
    public void Gives_the_same_room_as_memory()
    {
        var buffer = new PooledBuffer(_pool);
        buffer.Append("ab"u8);
        Memory<byte> room = buffer.GetMemory(1000);
        Assert.InRange(room.Length, 1000, int.MaxValue);
        "cd"u8.CopyTo(room.Span);
        buffer.Advance(2);
        Assert.Equal("abcd"u8, buffer.Written.Span);
        buffer.Release();
    }

    [Fact]
    public void Gives_room_behind_what_is_written_and_counts_only_what_is_advanced()
    {
        var buffer = new PooledBuffer(_pool);
        buffer.Append("ab"u8);
        Span<byte> room = buffer.GetSpan(10);
        Assert.True(room.Length >= 10);
        "cd??"u8.CopyTo(room);
        Assert.Equal("ab"u8, buffer.Written.Span);
        buffer.Advance(2);
        Assert.Equal("abcd"u8, buffer.Written.Span);
        buffer.Release();
    }

    [Fact]
    public void Keeps_its_array_while_there_is_room_to_the_last_byte()
    {
        var buffer = new PooledBuffer(_pool);
        buffer.Append([1]);
        int capacity = buffer.Capacity;
        buffer.Append(new byte[capacity - 1]);
        Assert.Equal((1, capacity, capacity), (_pool.Rents, buffer.Length, buffer.Capacity));

        buffer.Append([2]);
        Assert.Equal(2, _pool.Rents);
        Assert.Equal(2, buffer.Written.Span[capacity]);
        buffer.Release();
    }

    [Fact]
    public void Growing_keeps_the_bytes_and_returns_the_smaller_array_at_once()
    {
        byte[] bytes = [.. Enumerable.Range(0, 10_000).Select(i => (byte)(i * 7))];
        var buffer = new PooledBuffer(_pool);
        for (int from = 0; from < bytes.Length; from += 99)
        {
            buffer.Append(bytes.AsSpan(from, Math.Min(99, bytes.Length - from)));
            Assert.Equal((1, (long)buffer.Capacity), (_pool.Rented, _pool.RentedBytes));
        }

        Assert.Equal(bytes, buffer.Written.Span);
        buffer.Release();
    }

    [Fact]
    public void Grows_by_doubling_and_never_beyond_twice_of_what_is_needed()
    {
        var buffer = new PooledBuffer(_pool);
        for (int length = 1; length <= 100_000; length++)
        {
            buffer.Append([0]);
            Assert.InRange(buffer.Capacity, length, Math.Max(256, 2 * length));
        }

        Assert.InRange(_pool.Rents, 2, 10);
        buffer.Release();
    }

    [Fact]
    public void Grows_to_what_one_large_piece_needs()
    {
        var buffer = new PooledBuffer(_pool);
        buffer.Append([1]);
        buffer.Append(new byte[100_000]);
        Assert.Equal((100_001, 100_001), (buffer.Length, buffer.Capacity));
        buffer.Release();
    }

    [Fact]
    public void Refuses_to_grow_beyond_what_an_array_can_hold_and_stays_as_it_was()
    {
        var buffer = new PooledBuffer(_pool);
        buffer.Append("ab"u8);
        Assert.Throws<OverflowException>(() => { buffer.GetSpan(int.MaxValue); });
        Assert.Equal("ab"u8, buffer.Written.Span);
        buffer.Release();
    }

    [Fact]
    public void Stays_as_it_was_when_there_is_no_memory_to_grow()
    {
        var buffer = new PooledBuffer(_pool);
        buffer.Append("ab"u8);
        _pool.LargestRent = 1000;
        Assert.Throws<InvalidOperationException>(() => { buffer.GetSpan(1000); });
        Assert.Equal("ab"u8, buffer.Written.Span);
        buffer.Release();
    }

    [Fact]
    public void Clearing_keeps_the_array_for_more()
    {
        var buffer = new PooledBuffer(_pool);
        buffer.Append("abc"u8);
        buffer.Clear();
        Assert.True(buffer.IsEmpty);
        Assert.True(buffer.Written.IsEmpty);
        buffer.Append("d"u8);
        Assert.Equal("d"u8, buffer.Written.Span);
        Assert.Equal(1, _pool.Rents);
        buffer.Release();
    }

    [Fact]
    public void Releasing_returns_the_array_once_and_begins_anew()
    {
        var buffer = new PooledBuffer(_pool);
        buffer.Append("abc"u8);
        buffer.Release();
        buffer.Release();
        Assert.Equal((0, 0, 0), (buffer.Length, buffer.Capacity, _pool.Rented));

        buffer.Append("d"u8);
        Assert.Equal("d"u8, buffer.Written.Span);
        Assert.Equal(2, _pool.Rents);
        buffer.Release();
    }

    [Fact]
    public void Forgetting_leaves_the_array_to_whoever_still_reads_it()
    {
        LeakCheckingPool pool = new();
        var buffer = new PooledBuffer(pool);
        buffer.Append("abc"u8);
        ReadOnlyMemory<byte> written = buffer.Written;
        buffer.Forget();
        buffer.Release();
        Assert.Equal((0, 0, 1), (buffer.Length, buffer.Capacity, pool.Rented));
        Assert.Equal("abc"u8, written.Span);
    }
}
