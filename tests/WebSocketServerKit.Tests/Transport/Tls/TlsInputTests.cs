using System.Buffers;
using System.IO.Pipelines;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Transport.Tls;

public sealed class TlsInputTests : IAsyncDisposable
{
    private readonly TlsPair _pair = new();

    private PipeReader Input => _pair.Server.Input;

    public ValueTask DisposeAsync() => _pair.DisposeAsync();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private async Task<byte[]> ReadAsync()
    {
        ReadResult read = await Input.ReadAsync(CancellationToken.None).InTime();
        byte[] bytes = read.Buffer.ToArray();
        Input.AdvanceTo(read.Buffer.End);
        return bytes;
    }

    private async Task<byte[]> ReadAsync(int count)
    {
        List<byte> all = [];
        while (all.Count < count)
            all.AddRange(await ReadAsync());
        return [.. all];
    }

    [Fact]
    public async Task Bytes_are_read_decrypted()
    {
        await _pair.AuthenticateAsync();
        await _pair.Client.WriteAsync("hello"u8.ToArray(), Token);
        Assert.Equal("hello"u8.ToArray(), await ReadAsync(5));
    }

    [Fact]
    public async Task Many_records_that_have_arrived_are_one_read()
    {
        await _pair.AuthenticateAsync();
        byte[] records = [];
        for (int i = 0; i < 100; i++)
            records = [.. records, .. await _pair.EncryptAsync([(byte)i, 1, 2, 3])];
        Task<byte[]> reading = ReadAsync();
        await _pair.Raw.WriteAsync(records, Token);
        List<byte> all = [.. await reading];
        while (all.Count < 400)
            all.AddRange(await ReadAsync());
        Assert.Equal(Enumerable.Range(0, 100).SelectMany(i => (byte[])[(byte)i, 1, 2, 3]), all);
    }

    [Fact]
    public async Task A_large_message_is_read_whole()
    {
        await _pair.AuthenticateAsync();
        byte[] sent = new byte[1_000_000];
        new Random(1).NextBytes(sent);
        Task sending = _pair.Client.WriteAsync(sent, Token).AsTask();
        Assert.Equal(sent, await ReadAsync(sent.Length));
        await sending;
    }

    [Fact]
    public async Task While_a_record_is_not_complete_it_waits_and_the_part_is_counted()
    {
        await _pair.AuthenticateAsync();
        byte[] record = await _pair.EncryptAsync("hello"u8.ToArray());
        Task<byte[]> reading = ReadAsync();
        await _pair.Raw.WriteAsync(record.AsMemory(0, 10), Token);
        await Polling.UntilAsync(() => _pair.Server.HeldBytes > 0);
        Assert.False(reading.IsCompleted);
        await _pair.Raw.WriteAsync(record.AsMemory(10), Token);
        Assert.Equal("hello"u8.ToArray(), await reading);
    }

    [Fact]
    public async Task An_idle_connection_holds_no_buffer()
    {
        await _pair.AuthenticateAsync();
        await _pair.Client.WriteAsync("hello"u8.ToArray(), Token);
        await ReadAsync(5);
        ValueTask waiting = _pair.Server.WaitToReadAsync();
        await Polling.UntilAsync(() => _pair.Pool.Rented == 0);
        Assert.False(waiting.IsCompleted);
        Assert.Equal(0, _pair.Server.HeldBytes);
        await _pair.Client.WriteAsync("again"u8.ToArray(), Token);
        await waiting.AsTask().InTime();
        Assert.True(Input.TryRead(out ReadResult read));
        Assert.Equal("again"u8.ToArray(), read.Buffer.ToArray());
    }

    [Fact]
    public async Task What_arrives_while_earlier_bytes_are_in_use_is_received_past_them()
    {
        await _pair.AuthenticateAsync();
        await _pair.Client.WriteAsync("payload"u8.ToArray(), Token);
        ReadResult read = await Input.ReadAsync(CancellationToken.None).InTime();

        byte[] ahead = new byte[3];
        Assert.Equal(0, _pair.Server.TryReceive(ahead, out bool ended));
        Assert.False(ended);
        await _pair.Client.WriteAsync("later"u8.ToArray(), Token);
        int count = 0;
        await Polling.UntilAsync(() => (count = _pair.Server.TryReceive(ahead, out ended)) > 0);
        Assert.Equal("lat"u8.ToArray(), ahead[..count]);
        Assert.Equal("payload"u8.ToArray(), read.Buffer.ToArray());

        // The reader gets the rest, and goes on.
        Input.AdvanceTo(read.Buffer.End);
        Assert.Equal("er"u8.ToArray(), await ReadAsync());
        await _pair.Client.WriteAsync("more"u8.ToArray(), Token);
        Assert.Equal("more"u8.ToArray(), await ReadAsync(4));
    }

    [Fact]
    public async Task Close_notify_is_the_end_behind_all_bytes()
    {
        await _pair.AuthenticateAsync();
        await _pair.Client.WriteAsync("last"u8.ToArray(), Token);
        await _pair.Client.ShutdownAsync().InTime();
        Assert.Equal("last"u8.ToArray(), await ReadAsync(4));
        ReadResult end = await Input.ReadAsync(CancellationToken.None).InTime();
        Assert.True(end.IsCompleted);
        Assert.True(end.Buffer.IsEmpty);
    }

    [Fact]
    public async Task Close_notify_is_received_ahead_too()
    {
        await _pair.AuthenticateAsync();
        await _pair.Client.ShutdownAsync().InTime();
        bool ended = false;
        await Polling.UntilAsync(() => _pair.Server.TryReceive(new byte[10], out ended) == 0 && ended);
    }

    [Fact]
    public async Task An_end_without_close_notify_is_an_end_too()
    {
        await _pair.AuthenticateAsync();
        await _pair.Raw.DisposeAsync();
        Assert.True((await Input.ReadAsync(CancellationToken.None).InTime()).IsCompleted);
    }

    [Fact]
    public async Task An_end_within_a_record_is_a_loss()
    {
        await _pair.AuthenticateAsync();
        byte[] record = await _pair.EncryptAsync("hello"u8.ToArray());
        await _pair.Raw.WriteAsync(record.AsMemory(0, 10), Token);
        await _pair.Raw.DisposeAsync();
        IOException lost = await Assert.ThrowsAsync<IOException>(() => Input.ReadAsync(CancellationToken.None).InTime());
        Assert.Contains("in the middle of a TLS record", lost.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_record_that_was_changed_on_its_way_is_a_loss(bool ahead)
    {
        await _pair.AuthenticateAsync();
        byte[] record = await _pair.EncryptAsync("hello"u8.ToArray());
        record[^1] ^= 1;
        await _pair.Raw.WriteAsync(record, Token);
        if (ahead)
            await Assert.ThrowsAsync<IOException>(() => Polling.UntilAsync(() => _pair.Server.TryReceive(new byte[10], out _) > 0));
        else
            await Assert.ThrowsAsync<IOException>(() => Input.ReadAsync(CancellationToken.None).InTime());
    }

    [Fact]
    public async Task A_cut_ends_a_read_that_waits()
    {
        await _pair.AuthenticateAsync();
        Task<ReadResult> reading = Input.ReadAsync(CancellationToken.None).AsTask();
        _pair.Server.Abort();
        await Assert.ThrowsAsync<IOException>(() => reading.InTime());
    }
}
