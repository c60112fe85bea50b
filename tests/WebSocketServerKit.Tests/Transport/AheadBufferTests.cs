using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Transport;

public sealed class AheadBufferTests : IDisposable
{
    private readonly LeakCheckingPool _pool = new();
    private AheadBuffer _buffer;

    public void Dispose() => _pool.AssertNothingRented();

    private void Fill(string text)
    {
        byte[] bytes = System.Text.Encoding.ASCII.GetBytes(text);
        bytes.CopyTo(_buffer.Rent(100, _pool));
        _buffer.Received(bytes.Length, _pool);
    }

    [Fact]
    public void Bytes_are_taken_in_pieces_and_the_space_is_returned_with_the_last()
    {
        Fill("hello");
        Assert.Equal((5, 100), (_buffer.Count, _buffer.HeldBytes));
        byte[] piece = new byte[3];
        Assert.Equal(3, _buffer.Take(piece, _pool));
        Assert.Equal("hel"u8.ToArray(), piece);
        Assert.Equal(2, _buffer.Take(piece, _pool));
        Assert.Equal("lo"u8.ToArray(), piece[..2]);
        Assert.True(_buffer.IsEmpty);
        Assert.Equal(0, _buffer.HeldBytes);
        Assert.Equal(0, _buffer.Take(piece, _pool));
    }

    [Fact]
    public void A_read_of_nothing_returns_the_space()
    {
        _buffer.Rent(100, _pool);
        Assert.Equal((true, 100), (_buffer.IsEmpty, _buffer.HeldBytes));
        Assert.Equal(0, _buffer.Take(new byte[1], _pool)); // a read is still under way: the space stays
        Assert.Equal(100, _buffer.HeldBytes);
        _buffer.Received(0, _pool);
        Assert.Equal(0, _buffer.HeldBytes);
    }

    [Fact]
    public void What_nobody_takes_can_be_released()
    {
        Fill("hello");
        _buffer.Release(_pool);
        _buffer.Release(_pool);
        Assert.True(_buffer.IsEmpty);
    }
}
