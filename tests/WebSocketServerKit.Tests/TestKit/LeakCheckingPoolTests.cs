using System.Buffers;
using Xunit.Sdk;

namespace WebSocketServerKit.TestKit;

public sealed class LeakCheckingPoolTests
{
    private readonly LeakCheckingPool _pool = new();

    [Fact]
    public void Is_content_when_all_arrays_came_back()
    {
        byte[] first = _pool.Rent(10);
        byte[] second = _pool.Rent(20);
        Assert.Equal((2, 30L), (_pool.Rented, _pool.RentedBytes));
        _pool.Return(second);
        _pool.Return(first);
        Assert.Equal((0, 0L, 2), (_pool.Rented, _pool.RentedBytes, _pool.Rents));
        _pool.AssertNothingRented();
    }

    [Fact]
    public void Fails_when_an_array_did_not_come_back()
    {
        _pool.Return(_pool.Rent(10));
        _pool.Rent(10);
        Assert.Contains("1 of 2", Failure().Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Fails_when_an_array_comes_back_twice_and_remembers_it()
    {
        byte[] array = _pool.Rent(10);
        _pool.Return(array);
        Assert.Throws<InvalidOperationException>(() => _pool.Return(array));
        Assert.Contains("twice", Failure().Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Fails_when_a_foreign_array_comes_and_remembers_it()
    {
        Assert.Throws<InvalidOperationException>(() => _pool.Return(new byte[10]));
        Assert.Contains("not from this pool", Failure().Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Fails_when_an_array_is_written_to_after_its_return()
    {
        byte[] array = _pool.Rent(10);
        _pool.Return(array);
        array[9] = 1;
        Assert.Contains("after its return", Failure().Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Leaves_nothing_to_read_in_an_array_that_came_back()
    {
        byte[] array = _pool.Rent(3);
        "abc"u8.CopyTo(array);
        _pool.Return(array);
        Assert.All(array, octet => Assert.Equal(0xDD, octet));
    }

    [Fact]
    public void Never_gives_an_array_out_twice()
    {
        byte[] array = _pool.Rent(10);
        _pool.Return(array);
        Assert.NotSame(array, _pool.Rent(10));
    }

    [Fact]
    public void Runs_out_of_memory_where_a_test_wants_it()
    {
        _pool.LargestRent = 10;
        _pool.Return(_pool.Rent(10));
        Assert.Throws<InvalidOperationException>(() => _pool.Rent(11));
        _pool.AssertNothingRented();
    }

    [Fact]
    public void Stands_in_for_any_pool_of_bytes() => Assert.IsType<ArrayPool<byte>>(_pool, exactMatch: false);

    private XunitException Failure() => Assert.ThrowsAny<XunitException>(_pool.AssertNothingRented);
}
