using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Transport.EventLoops;

public sealed class ReadBufferTests
{
    private readonly LeakCheckingPool _pool = new();
    private readonly ReadBuffer _buffer;

    public ReadBufferTests() => _buffer = new ReadBuffer(_pool);

    [Fact]
    public void The_array_is_rented_when_it_is_taken_and_returned_when_nobody_uses_it()
    {
        Assert.Equal(0, _pool.Rented);
        _buffer.Take();
        Assert.Equal(1, _pool.Rented);
        _buffer.Release();
        Assert.Equal(0, _pool.Rented);
        _buffer.Take();
        _buffer.Release();
        Assert.Equal(0, _pool.Rented);
    }

    [Fact]
    public void What_a_client_keeps_is_left_alone_until_it_is_released()
    {
        _buffer.Take();
        byte[]? array = _buffer.Array;
        _buffer.Keep(100);
        _buffer.Rewind();
        Assert.Equal(100, _buffer.Start);
        _buffer.Release(); // the loop waits
        Assert.Equal(1, _pool.Rented);
        _buffer.Take();
        Assert.Same(array, _buffer.Array);
        Assert.Equal(100, _buffer.Start);
        _buffer.Release(); // the client
        _buffer.Rewind();
        Assert.Equal(0, _buffer.Start);
        _buffer.Release();
        Assert.Equal(0, _pool.Rented);
    }

    [Fact]
    public void It_is_full_when_less_than_64_KiB_are_left()
    {
        _buffer.Take();
        _buffer.Keep(ReadBuffer.Size - (64 * 1024));
        Assert.False(_buffer.IsFull);
        _buffer.Keep(1);
        Assert.True(_buffer.IsFull);
        for (int i = 0; i < 3; i++)
            _buffer.Release();
    }

    [Fact]
    public void What_was_forgotten_is_told_once_and_its_array_is_never_returned()
    {
        _buffer.Take();
        _buffer.Keep(1);
        _buffer.Keep(1);
        Assert.Equal(ReadBuffer.Size, _buffer.Forget());
        Assert.Equal(0, _buffer.Forget());
        _buffer.Release();
        Assert.Equal(1, _pool.Rented);
    }
}
