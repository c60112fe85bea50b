using System.Buffers;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Transport.Pipes;

public sealed class RentedMemoryTests : IDisposable
{
    private readonly LeakCheckingPool _pool = new();
    private readonly RentedMemory _memory;

    public RentedMemoryTests() => _memory = new RentedMemory(_pool);

    public void Dispose() => _memory.Dispose();

    [Fact]
    public void What_is_rented_counts_until_it_is_given_back()
    {
        IMemoryOwner<byte> first = _memory.Rent(100);
        RentedMemory.Owner second = _memory.RentArray(50);
        Assert.Equal((100, 50, 150), (first.Memory.Length, second.Array.Length, _memory.Held));
        first.Dispose();
        Assert.Equal(50, _memory.Held);
        second.Dispose();
        Assert.Equal(0, _memory.Held);
        _pool.AssertNothingRented();
    }

    [Fact]
    public void Giving_back_twice_counts_once()
    {
        IMemoryOwner<byte> owner = _memory.Rent(100);
        owner.Dispose();
        owner.Dispose();
        Assert.Equal(0, _memory.Held);
        _pool.AssertNothingRented();
    }

    [Fact]
    public void What_is_forgotten_never_goes_back_and_what_is_rented_later_does()
    {
        RentedMemory.Owner forgotten = _memory.RentArray(100);
        Assert.Equal(100, _memory.Forget());
        Assert.Equal((0, 0), (_memory.Held, _memory.Forget()));
        RentedMemory.Owner later = _memory.RentArray(10);
        forgotten.Dispose();
        later.Dispose();
        Assert.Equal(0, _memory.Held);
        Assert.Equal(100, _pool.RentedBytes);
    }

    [Fact]
    public void A_size_that_is_not_said_is_some_byte()
    {
        using IMemoryOwner<byte> owner = _memory.Rent();
        Assert.False(owner.Memory.IsEmpty);
        Assert.Equal(Array.MaxLength, _memory.MaxBufferSize);
        _memory.Dispose(); // each array goes back by itself
        Assert.NotEqual(0, _memory.Held);
    }
}
