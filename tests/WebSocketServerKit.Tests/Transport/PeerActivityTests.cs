namespace WebSocketServerKit.Transport;

public sealed class PeerActivityTests
{
    private PeerActivity _peer = new();

    private void Read(int times)
    {
        for (int i = 0; i < times; i++)
            _peer.HasRead(bufferSize: 0);
    }

    [Fact]
    public void A_peer_is_busy_after_many_reads_until_it_becomes_idle()
    {
        Read(15);
        Assert.False(_peer.IsBusy);
        Read(1);
        Assert.True(_peer.IsBusy);
        Read(100);
        Assert.True(_peer.IsBusy);
        _peer.BecameIdle();
        Assert.False(_peer.IsBusy);
    }

    [Fact]
    public void The_buffer_doubles_when_a_read_has_filled_it_up_to_a_limit()
    {
        Assert.Equal(4096, _peer.BufferSize);
        _peer.HasRead(4096);
        Assert.Equal(8192, _peer.BufferSize);
        _peer.HasRead(0);
        Assert.Equal(8192, _peer.BufferSize);
        _peer.HasRead(200 * 1024);
        Assert.Equal(256 * 1024, _peer.BufferSize);
        // A larger one than that comes from a large message, and stays as large.
        _peer.HasRead(1024 * 1024);
        Assert.Equal(1024 * 1024, _peer.BufferSize);
        _peer.BecameIdle();
        Assert.Equal(4096, _peer.BufferSize);
    }

    [Fact]
    public void Only_a_wait_with_a_buffer_is_released()
    {
        _peer.ReleaseIdle();
        Assert.False(_peer.IsReleased);
        CancellationToken token = _peer.BeginWait();
        _peer.EndWait();
        _peer.ReleaseIdle();
        Assert.False(token.IsCancellationRequested);

        Assert.Equal(token, _peer.BeginWait());
        _peer.ReleaseIdle();
        Assert.True(token.IsCancellationRequested);
        Assert.True(_peer.IsReleased);
        _peer.EndWait();
        Assert.False(_peer.BeginWait().IsCancellationRequested);
    }
}
