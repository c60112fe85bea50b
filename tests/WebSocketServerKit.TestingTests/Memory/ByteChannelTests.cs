namespace WebSocketServerKit.Testing.Memory;

/// <summary>One direction of a connection behaves as one of TCP does.</summary>
public class ByteChannelTests
{
    private static CancellationToken Ended => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Bytes_come_in_their_order_whatever_the_sizes()
    {
        ByteChannel channel = new(capacity: 7);
        byte[] sent = [.. Enumerable.Range(0, 100).Select(i => (byte)i)];
        Task writing = channel.WriteAsync(sent, Ended).AsTask();
        List<byte> received = [];
        byte[] buffer = new byte[5];
        for (int size = 1; received.Count < sent.Length; size = size % 5 + 1)
            received.AddRange(buffer[..await channel.ReadAsync(buffer.AsMemory(0, size), Ended)]);
        await writing;
        Assert.Equal(sent, received);
        Assert.Equal(0, channel.Unread);
    }

    [Fact]
    public async Task A_write_waits_for_room_and_a_read_for_bytes()
    {
        ByteChannel channel = new(capacity: 2);
        Task writing = channel.WriteAsync(new byte[3], Ended).AsTask();
        Assert.False(writing.IsCompleted);
        Assert.Equal(2, await channel.ReadAsync(new byte[9], Ended));
        await writing;
        Assert.Equal(1, await channel.ReadAsync(new byte[9], Ended));
        Task<int> reading = channel.ReadAsync(Memory<byte>.Empty, Ended).AsTask();
        Assert.False(reading.IsCompleted);
        Assert.True(channel.IsReadEmpty);
        await channel.WriteAsync(new byte[1], Ended);
        Assert.Equal(0, await reading);
        Assert.Equal(1, channel.Unread);
    }

    [Fact]
    public async Task A_read_that_was_cancelled_has_taken_nothing()
    {
        ByteChannel channel = new(capacity: 10);
        using CancellationTokenSource over = new();
        Task<int> reading = channel.ReadAsync(new byte[9], over.Token).AsTask();
        await over.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => reading);
        Assert.False(channel.IsReadEmpty);
        await channel.WriteAsync(new byte[4], Ended);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await channel.ReadAsync(new byte[9], over.Token));
        Assert.Equal(4, await channel.ReadAsync(new byte[9], Ended));
    }

    [Fact]
    public async Task A_write_that_was_cancelled_lets_the_next_one_through()
    {
        ByteChannel channel = new(capacity: 1);
        using CancellationTokenSource over = new();
        Task writing = channel.WriteAsync(new byte[2], over.Token).AsTask();
        Task next = channel.WriteAsync(new byte[1], Ended).AsTask();
        await over.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => writing);
        Assert.Equal(1, await channel.ReadAsync(new byte[9], Ended));
        await next;
        Assert.Equal(1, channel.Unread);
    }

    [Fact]
    public async Task The_end_comes_after_what_was_written_and_nothing_can_be_written_then()
    {
        ByteChannel channel = new(capacity: 10);
        await channel.WriteAsync(new byte[1], Ended);
        channel.End();
        channel.Fail("too late");
        Assert.Equal(1, await channel.ReadAsync(new byte[9], Ended));
        Assert.Equal(0, await channel.ReadAsync(new byte[9], Ended));
        await Assert.ThrowsAsync<IOException>(async () => await channel.WriteAsync(new byte[1], Ended));
    }

    [Fact]
    public async Task A_failure_comes_after_what_was_written_and_ends_whoever_waits()
    {
        ByteChannel channel = new(capacity: 1);
        Task writing = channel.WriteAsync(new byte[2], Ended).AsTask();
        channel.Fail("lost");
        channel.Fail("again");
        Assert.Equal("lost", (await Assert.ThrowsAsync<IOException>(() => writing)).Message);
        Assert.Equal(1, await channel.ReadAsync(new byte[9], Ended));
        Assert.Equal("lost", (await Assert.ThrowsAsync<IOException>(async () => await channel.ReadAsync(new byte[9], Ended))).Message);
    }

    [Fact]
    public async Task A_pause_holds_back_bytes_and_the_end_but_no_failure()
    {
        ByteChannel channel = new(capacity: 10);
        Task<int> reading = channel.ReadAsync(new byte[9], Ended).AsTask();
        channel.Pause();
        await channel.WriteAsync(new byte[3], Ended);
        channel.End();
        Assert.True(channel.IsPaused);
        channel.Resume();
        Assert.Equal(3, await reading);
        Assert.Equal(0, await channel.ReadAsync(new byte[9], Ended));

        ByteChannel lost = new(capacity: 10);
        lost.Pause();
        await lost.WriteAsync(new byte[3], Ended);
        Task<int> pausedReading = lost.ReadAsync(new byte[9], Ended).AsTask();
        Assert.False(pausedReading.IsCompleted);
        lost.Fail("lost");
        await Assert.ThrowsAsync<IOException>(() => pausedReading);
    }

    [Fact]
    public async Task What_is_written_to_a_reader_that_is_gone_fails()
    {
        ByteChannel channel = new(capacity: 1);
        Task writing = channel.WriteAsync(new byte[2], Ended).AsTask();
        channel.CloseReader();
        await Assert.ThrowsAsync<IOException>(() => writing);
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await channel.ReadAsync(new byte[1], Ended));
    }

    [Fact]
    public async Task Activity_tells_that_something_has_happened()
    {
        ByteChannel channel = new(capacity: 10);
        long before = channel.Activity;
        Assert.Equal(before, channel.Activity);
        await channel.WriteAsync(new byte[1], Ended);
        long written = channel.Activity;
        Assert.NotEqual(before, written);
        await channel.ReadAsync(new byte[1], Ended);
        Assert.NotEqual(written, channel.Activity);
    }
}
