using System.Buffers;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Connections.Memory;

public sealed class CountingPoolTests
{
    private readonly LeakCheckingPool _inner = new();

    [Fact]
    public void Counts_what_is_out_and_gives_back_to_the_pool_it_took_from()
    {
        CountingPool pool = new(_inner);
        byte[] first = pool.Rent(100), second = pool.Rent(1000);
        Assert.Equal((1100, 2), (pool.Rented, _inner.Rented));
        pool.Return(first);
        Assert.Equal((1000, 1), (pool.Rented, _inner.Rented));
        pool.Return(second);
        Assert.Equal((0, 0), (pool.Rented, _inner.Rented));
    }

    [Fact]
    public void An_array_that_does_not_come_back_is_not_counted_for_ever()
    {
        CountingPool pool = new(_inner);
        pool.Forget(pool.Rent(100).Length);
        Assert.Equal((0, 1), (pool.Rented, _inner.Rented));
    }

    [Fact]
    public void Counts_right_whatever_threads_rent_and_return()
    {
        CountingPool pool = new(ArrayPool<byte>.Shared);
        Parallel.For(0, 10_000, i => pool.Return(pool.Rent(i)));
        Assert.Equal(0, pool.Rented);
    }

    [Fact]
    public void Tells_of_a_large_array_and_of_no_small_one()
    {
        int told = 0;
        CountingPool pool = new(_inner, () => told++);
        pool.Rent(CountingPool.LargeSize - 1);
        Assert.Equal(0, told);
        pool.Rent(CountingPool.LargeSize);
        Assert.Equal(1, told);
    }
}
