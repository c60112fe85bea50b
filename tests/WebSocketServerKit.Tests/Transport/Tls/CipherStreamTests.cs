using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Transport.Tls;

public sealed class CipherStreamTests : IAsyncDisposable
{
    private static readonly byte[] First = [22, 3, 3, 0, 3, 1, 2, 3];
    private static readonly byte[] Second = [23, 3, 3, 0, 1, 9];

    private readonly ScriptedTransport _transport = new();
    private readonly CipherStream _stream;
    private readonly byte[] _buffer = new byte[100];

    public CipherStreamTests() => _stream = new CipherStream(_transport);

    public async ValueTask DisposeAsync()
    {
        await _stream.DisposeAsync();
        await _transport.DisposeAsync();
        Assert.Empty(_transport.Breaches);
    }

    private async Task<byte[]> ReadAsync(int size = 100) => _buffer[..await _stream.ReadAsync(_buffer.AsMemory(0, size), TestContext.Current.CancellationToken).InTime()];

    [Fact]
    public async Task A_read_gives_one_record_and_leaves_the_next()
    {
        _transport.Receive([.. First, .. Second]);
        Assert.Equal(First, await ReadAsync());
        Assert.Equal(Second, await ReadAsync());
    }

    [Fact]
    public async Task A_record_is_not_given_before_it_is_complete()
    {
        foreach (byte octet in First[..^1])
            _transport.Receive([octet]);
        Task<byte[]> reading = ReadAsync();
        await _transport.WhenIdle;
        Assert.False(reading.IsCompleted);
        _transport.Receive([First[^1]]);
        Assert.Equal(First, await reading);
    }

    [Fact]
    public async Task A_small_buffer_gets_the_record_piece_by_piece()
    {
        _transport.Receive([.. First, .. Second]);
        Assert.Equal(First[..5], await ReadAsync(5));
        Assert.Equal(First[5..7], await ReadAsync(2));
        Assert.Equal(First[7..], await ReadAsync(100));
        Assert.Equal(Second, await ReadAsync());
    }

    [Fact]
    public async Task A_read_of_no_bytes_waits_for_a_record_and_takes_nothing()
    {
        Task<byte[]> waiting = ReadAsync(0);
        await _transport.WhenIdle;
        Assert.False(waiting.IsCompleted);
        _transport.Receive(First);
        Assert.Empty(await waiting);
        Assert.Equal(First, await ReadAsync());
    }

    [Fact]
    public async Task The_end_between_records_is_an_end_and_within_one_it_is_an_error()
    {
        _transport.Receive(First);
        _transport.EndInput();
        Assert.Equal(First, await ReadAsync());
        Assert.Empty(await ReadAsync());

        ScriptedTransport truncated = new();
        truncated.Receive(First[..6]);
        truncated.EndInput();
        await using CipherStream stream = new(truncated);
        IOException failure = await Assert.ThrowsAsync<IOException>(() => stream.ReadAsync(_buffer, TestContext.Current.CancellationToken).InTime());
        Assert.Contains("in the middle of a TLS record", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Afterwards_a_read_never_waits()
    {
        _stream.EndWaits();
        Assert.Empty(await ReadAsync(0));
        await Assert.ThrowsAsync<CipherStream.NothingToReadException>(() => ReadAsync());
        _transport.Receive(First);
        await _transport.WaitToReadAsync();
        Assert.Equal(First, await ReadAsync());
    }

    [Fact]
    public async Task Writes_go_to_the_connection_as_they_are()
    {
        await _stream.WriteAsync(First, TestContext.Current.CancellationToken);
        await _stream.FlushAsync(TestContext.Current.CancellationToken);
        _stream.Flush();
        Assert.Equal(First, Assert.Single(_transport.Writes));
    }

    [Fact]
    public void It_is_a_stream_of_two_directions_for_asynchronous_calls_only()
    {
        Assert.Equal((true, true, false), (_stream.CanRead, _stream.CanWrite, _stream.CanSeek));
        Assert.Throws<NotSupportedException>(() => _stream.Read(_buffer, 0, 1));
        Assert.Throws<NotSupportedException>(() => _stream.Write(_buffer, 0, 1));
        Assert.Throws<NotSupportedException>(() => _stream.Seek(0, SeekOrigin.Begin));
        Assert.Throws<NotSupportedException>(() => _stream.SetLength(0));
        Assert.Throws<NotSupportedException>(() => _stream.Length);
        Assert.Throws<NotSupportedException>(() => _stream.Position);
        Assert.Throws<NotSupportedException>(() => _stream.Position = 0);
    }

    [Fact]
    public async Task Records_without_data_are_few_between_two_writes()
    {
        _stream.EndWaits();
        for (int i = 0; i < 99; i++)
            await ReadOneAsync();
        for (int i = 0; i < 1_000; i++)
        {
            await ReadOneAsync();
            _stream.HadData();
        }

        // What TLS owed has been sent.
        await _stream.WriteAsync(First, TestContext.Current.CancellationToken);
        for (int i = 0; i < 100; i++)
            await ReadOneAsync();
        Assert.Contains("too many TLS records without data", (await Assert.ThrowsAsync<IOException>(ReadOneAsync)).Message, StringComparison.Ordinal);
    }

    private async Task ReadOneAsync()
    {
        _transport.Receive(Second);
        await _transport.WaitToReadAsync().AsTask().InTime();
        Assert.Equal(Second, await ReadAsync());
    }

    [Fact]
    public async Task Records_of_the_TLS_handshake_do_not_count_as_records_without_data()
    {
        for (int i = 0; i < 200; i++)
        {
            _transport.Receive(First);
            Assert.Equal(First, await ReadAsync());
        }
    }
}
