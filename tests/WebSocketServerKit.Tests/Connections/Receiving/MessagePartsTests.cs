using System.Net.WebSockets;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Connections.Receiving;

public sealed class MessagePartsTests
{
    private readonly MessageParts _parts = new(WebSocketMessageType.Text, now: 100);
    private readonly byte[] _buffer = new byte[8];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private Task<int> ReadAsync() => ReadAsync(_parts);

    private Task<int> ReadAsync(MessageParts parts) => parts.ReadAsync(_buffer, Cancellation).AsTask();

    [Fact]
    public async Task A_part_is_read_in_as_many_reads_as_it_takes_and_the_loop_waits_until_then()
    {
        _parts.Put("abcdefghijkl"u8.ToArray(), isLast: false);
        Assert.False(_parts.TryGoOn());
        Task taken = _parts.WhenTaken().AsTask();
        Assert.Equal(8, await ReadAsync());
        Assert.False(taken.IsCompleted);
        Assert.Equal(4, await ReadAsync());
        Assert.Equal("ijkl"u8, _buffer.AsSpan(0, 4));
        await taken.InTime();
        _parts.EndWait();

        _parts.Put("m"u8.ToArray(), isLast: true);
        Assert.True(_parts.HasRest);
        Assert.Equal(1, await ReadAsync());
        Assert.False(_parts.HasRest);
        Assert.Equal(0, await ReadAsync());
        Assert.Equal(0, await ReadAsync());
    }

    [Fact]
    public void There_is_no_rest_once_it_has_failed_or_nobody_reads_any_more()
    {
        Assert.True(_parts.HasRest);
        _parts.Fail(new InvalidDataException());
        Assert.False(_parts.HasRest);
        MessageParts closed = new(WebSocketMessageType.Text, now: 0);
        closed.Close();
        Assert.False(closed.HasRest);
    }

    [Fact]
    public async Task A_read_waits_for_the_next_part_and_takes_it_before_the_loop_would_wait()
    {
        Task<int> read = ReadAsync();
        Assert.False(read.IsCompleted);
        _parts.Put("abc"u8.ToArray(), isLast: false);
        Assert.True(_parts.TryGoOn());
        Assert.Equal(3, await read.InTime());

        read = ReadAsync();
        _parts.Put(default, isLast: true);
        Assert.Equal(0, await read.InTime());
    }

    [Fact]
    public async Task A_read_of_no_bytes_waits_until_there_are_some()
    {
        Task<int> read = _parts.ReadAsync(Memory<byte>.Empty, Cancellation).AsTask();
        Assert.False(read.IsCompleted);
        _parts.Put("abc"u8.ToArray(), isLast: false);
        Assert.Equal(0, await read.InTime());
        Assert.False(_parts.TryGoOn());
        Assert.Equal(0, await _parts.ReadAsync(Memory<byte>.Empty, Cancellation));
        Assert.Equal(3, await ReadAsync());
        await _parts.WhenTaken().AsTask().InTime();
    }

    [Fact]
    public async Task Each_wait_of_the_loop_has_an_odd_number_of_its_own_below_zero()
    {
        List<long> waits = [_parts.Wait];
        for (int i = 0; i < 3; i++)
        {
            _parts.Put("a"u8.ToArray(), isLast: false);
            Assert.False(_parts.TryGoOn());
            waits.Add(_parts.Wait);
            Assert.Equal(1, await ReadAsync());
            await _parts.WhenTaken().AsTask().InTime();
            _parts.EndWait();
            waits.Add(_parts.Wait);
        }

        Assert.Equal([0, -1, -2, -3, -4, -5, -6], waits);
    }

    [Fact]
    public async Task A_second_read_throws_and_leaves_the_first_alone()
    {
        Task<int> read = ReadAsync();
        Assert.Contains("Await each read", (await Assert.ThrowsAsync<InvalidOperationException>(ReadAsync)).Message, StringComparison.Ordinal);
        _parts.Put("abc"u8.ToArray(), isLast: false);
        Assert.Equal(3, await read.InTime());
    }

    [Fact]
    public async Task A_cancelled_read_loses_nothing()
    {
        using var cancellation = new CancellationTokenSource();
        Task<int> read = _parts.ReadAsync(_buffer, cancellation.Token).AsTask();
        await cancellation.CancelAsync();
        Assert.Equal(cancellation.Token, (await Assert.ThrowsAsync<OperationCanceledException>(() => read)).CancellationToken);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => _parts.ReadAsync(_buffer, cancellation.Token).AsTask());

        read = ReadAsync();
        _parts.Put("abc"u8.ToArray(), isLast: false);
        Assert.Equal(3, await read.InTime());
        Assert.Equal("abc"u8, _buffer.AsSpan(0, 3));
    }

    [Fact]
    public async Task A_token_that_is_cancelled_later_does_not_touch_a_later_read()
    {
        using var cancellation = new CancellationTokenSource();
        Task<int> read = _parts.ReadAsync(_buffer, cancellation.Token).AsTask();
        _parts.Put("abc"u8.ToArray(), isLast: false);
        Assert.Equal(3, await read.InTime());
        read = ReadAsync();
        await cancellation.CancelAsync();
        Assert.False(read.IsCompleted);
        _parts.Put("d"u8.ToArray(), isLast: true);
        Assert.Equal(1, await read.InTime());
    }

    [Fact]
    public async Task A_failure_ends_the_read_that_waits_and_each_later_one_with_an_exception_of_its_own()
    {
        Task<int> read = ReadAsync();
        IOException cause = new("reset");
        _parts.Fail(new InterruptedMessageException("It does not come.", cause));
        _parts.Fail(new InterruptedMessageException("Another one."));
        IOException first = await Assert.ThrowsAnyAsync<IOException>(() => read);
        IOException second = await Assert.ThrowsAnyAsync<IOException>(ReadAsync);
        Assert.NotSame(first, second);
        Assert.Equal(("It does not come.", "It does not come."), (first.Message, second.Message));
        Assert.Same(cause, second.InnerException);
        // The loop passes over the rest.
        _parts.Put("abc"u8.ToArray(), isLast: true);
        Assert.True(_parts.TryGoOn());
        await Assert.ThrowsAnyAsync<IOException>(ReadAsync);
    }

    [Fact]
    public async Task A_failure_and_a_close_let_the_loop_go_on_and_drop_what_it_had_put()
    {
        foreach (bool fails in (bool[])[true, false])
        {
            MessageParts parts = new(WebSocketMessageType.Binary, 0);
            parts.Put("abc"u8.ToArray(), isLast: false);
            Assert.False(parts.TryGoOn());
            Task taken = parts.WhenTaken().AsTask();
            if (fails)
                parts.Fail(new InterruptedMessageException("over"));
            else
                parts.Close();
            await taken.InTime();
            Exception? thrown = await Record.ExceptionAsync(() => ReadAsync(parts));
            Assert.True(fails ? thrown is IOException : thrown is ObjectDisposedException);
        }
    }

    [Fact]
    public async Task A_message_whose_last_part_is_there_can_still_be_read_to_its_end_unless_that_is_dropped()
    {
        _parts.Put("abc"u8.ToArray(), isLast: true);
        _parts.Fail(new InterruptedMessageException("over"));
        Assert.Equal(3, await ReadAsync());
        Assert.Equal(0, await ReadAsync());
        _parts.Fail(new InterruptedMessageException("over"), dropsLastPart: true);
        Assert.Equal(0, await ReadAsync());

        MessageParts unread = new(WebSocketMessageType.Binary, 0);
        unread.Put("abc"u8.ToArray(), isLast: true);
        unread.Fail(new InterruptedMessageException("over"), dropsLastPart: true);
        await Assert.ThrowsAnyAsync<IOException>(() => ReadAsync(unread));
    }

    [Fact]
    public async Task A_read_that_waits_when_the_handler_ends_gets_an_exception_and_so_does_a_later_one()
    {
        Task<int> read = ReadAsync();
        _parts.Close();
        _parts.Close();
        _parts.Fail(new InterruptedMessageException("over"));
        Assert.Contains("handler has ended", (await Assert.ThrowsAsync<ObjectDisposedException>(() => read)).Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<ObjectDisposedException>(ReadAsync);
    }

    [Fact]
    public void Only_the_time_in_which_the_server_waits_for_the_peer_counts()
    {
        Assert.False(_parts.IsOverdue(now: 110, waitsForPeer: true, limit: 20));
        Assert.False(_parts.IsOverdue(now: 200, waitsForPeer: false, limit: 20));
        Assert.False(_parts.IsOverdue(now: 209, waitsForPeer: true, limit: 20));
        Assert.True(_parts.IsOverdue(now: 210, waitsForPeer: true, limit: 20));
    }

    [Fact]
    public async Task Reader_and_loop_on_threads_of_their_own_pass_every_byte_on()
    {
        byte[] message = new byte[1_000_000];
        new Random(1).NextBytes(message);
        Task<byte[]> reading = Task.Run(async () =>
        {
            using var read = new MemoryStream();
            byte[] buffer = new byte[1000];
            int count;
            while ((count = await _parts.ReadAsync(buffer.AsMemory(0, 1 + (int)read.Length % 1000), Cancellation)) > 0)
                read.Write(buffer, 0, count);
            return read.ToArray();
        });
        foreach (byte[] part in message.Chunk(777))
        {
            byte[] input = [.. part];
            _parts.Put(input, isLast: false);
            if (!_parts.TryGoOn())
            {
                await _parts.WhenTaken();
                _parts.EndWait();
            }

            input.AsSpan().Clear(); // it is the input's again
        }

        _parts.Put(default, isLast: true);
        Assert.Equal(message, await reading.InTime());
    }
}
