using System.Buffers.Binary;
using System.Net.Sockets;
using Microsoft.Extensions.Time.Testing;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Tls;

/// <summary>TLS that hangs, breaks off, or is no TLS at all, and the ways in which a peer can end it.</summary>
public class HalfDeadTests
{
    private const int TlsFailed = 26;
    private const int Refused = 30;

    public enum Hanging
    {
        Nothing,
        HalfHello,
        Hello,
    }

    private static Task<TestServer> StartAsync(Action<WebSocketServerOptions>? configure = null, Action<WebSocketServer>? subscribe = null) => TestServer.StartAsync(
        subscribe ?? (server => server.MessageReceived += async (_, e) => await e.Client.SendAsync(e.Payload, e.MessageType)),
        options =>
        {
            configure?.Invoke(options);
            options.Listen("https://127.0.0.1:0", OverTlsAttribute.Listen);
        });

    private static Task<TestServer> StartOnFakeTimeAsync(Action<WebSocketServerOptions>? configure = null, Action<WebSocketServer>? subscribe = null) => StartAsync(
        options =>
        {
            configure?.Invoke(options);
            options.UseTimeProvider(new FakeTimeProvider());
        },
        subscribe);

    private static async Task<(SecureStream Stream, WebSocketClient Client)> OpenAsync(TestServer server)
    {
        SecureStream stream = await SecureStream.ConnectAsync(server.EndPoint);
        await stream.OpenAsync();
        return (stream, await server.NextClientAsync());
    }

    // A record of TLS 1.3, as far as its header tells.
    private static byte[] Record(int declared, int sent)
    {
        byte[] record = new byte[5 + sent];
        (record[0], record[1], record[2]) = (23, 3, 3);
        BinaryPrimitives.WriteUInt16BigEndian(record.AsSpan(3), (ushort)declared);
        return record;
    }

    // Time passes until the task ends; its own timeout fails it.
    private static async Task PassUntilAsync(TestServer server, Task task)
    {
        await Polling.UntilAsync(() =>
        {
            server.Pass(TimeSpan.FromSeconds(1));
            return task.IsCompleted;
        });
        await task;
    }

    private static async Task AssertNothingIsLeftAsync(TestServer server)
    {
        await Polling.UntilAsync(() => server.Server.BufferedBytes == 0 && server.Clients.Count == 0);
        Assert.Empty(server.Log.Troubles);
        // And others are served.
        using SecureStream other = await SecureStream.ConnectAsync(server.EndPoint);
        await other.EchoAsync();
    }

    [Theory]
    [InlineData(Hanging.Nothing)]
    [InlineData(Hanging.HalfHello)]
    [InlineData(Hanging.Hello)]
    public async Task HandshakeTimeout_cuts_a_TLS_handshake_that_hangs(Hanging hanging)
    {
        await using TestServer server = await StartOnFakeTimeAsync(options => options.HandshakeTimeout = TimeSpan.FromSeconds(20));
        using TestClient client = await TestClient.ConnectAsync(server.EndPoint);
        byte[] hello = ClientHello.Of();
        if (hanging != Hanging.Nothing)
            await client.WriteAsync(hanging == Hanging.Hello ? hello : hello.AsMemory(0, hello.Length / 2));
        if (hanging == Hanging.Hello)
        {
            // The server's part shows that its clock runs.
            byte[] header = await client.ReadBytesAsync(5);
            await client.ReadBytesAsync(BinaryPrimitives.ReadUInt16BigEndian(header.AsSpan(3)));
            server.Pass(TimeSpan.FromSeconds(18));
            Assert.Empty(server.Log.Of(Refused));
        }

        await PassUntilAsync(server, client.AssertResetAsync());
        Assert.Contains("before its TLS handshake was over", Assert.Single(server.Log.Of(Refused)).Message, StringComparison.Ordinal);
        await AssertNothingIsLeftAsync(server);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(40)]
    public async Task A_TLS_handshake_that_breaks_off_leaves_nothing(int bytes)
    {
        await using TestServer server = await StartAsync();
        using TestClient client = await TestClient.ConnectAsync(server.EndPoint);
        await client.WriteAsync(ClientHello.Of().AsMemory(0, bytes));
        client.HalfClose();
        await client.AssertEndAsync();
        await AssertNothingIsLeftAsync(server);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_reset_during_the_TLS_handshake_leaves_nothing(bool afterHello)
    {
        await using TestServer server = await StartAsync();
        byte[] hello = ClientHello.Of();
        for (int i = 0; i < 20; i++)
        {
            TestClient client = await TestClient.ConnectAsync(server.EndPoint);
            await client.WriteAsync(afterHello ? hello : hello.AsMemory(0, 30));
            if (afterHello && i % 2 == 0)
                await client.ReadBytesAsync(1);
            client.Reset();
        }

        await AssertNothingIsLeftAsync(server);
    }

    public static TheoryData<string, byte[]> NoTls() => new()
    {
        { "a record larger than TLS permits", ClientHello.Record(22, new byte[100], declared: ushort.MaxValue) },
        { "a record one byte larger than TLS permits", ClientHello.Record(22, [], declared: (1 << 14) + 2049) },
        { "an empty record", ClientHello.Record(22, []) },
        { "many empty records", [.. Enumerable.Repeat(ClientHello.Record(22, []), 1_000).SelectMany(record => record)] },
        { "a message that is no hello", ClientHello.Record(22, [2, 0, 0, 0]) },
        { "a hello of zeros", ClientHello.Record(22, [1, 0, 0, 40, .. new byte[40]]) },
        { "a hello of another length than its message", ClientHello.Record(22, [1, 0, 0xFF, 0xFF, .. new byte[40]]) },
        { "a record of another version of TLS", [22, 9, 9, 0, 1, 1] },
        { "garbage after the hello", [.. ClientHello.Of(), .. new byte[200]] },
        { "a second hello after the hello", [.. ClientHello.Of(), .. ClientHello.Of()] },
        { "application data after the hello", [.. ClientHello.Of(), .. ClientHello.Record(23, new byte[64])] },
        { "a large record of garbage after the hello", [.. ClientHello.Of(), .. ClientHello.Record(22, new byte[16 * 1024])] },
    };

    // The clock stands still: no timeout helps.
    [Theory]
    [MemberData(nameof(NoTls))]
    public async Task What_is_no_TLS_is_ended_at_once_with_a_line_of_Debug(string what, byte[] bytes)
    {
        Assert.NotEmpty(what);
        await using TestServer server = await StartOnFakeTimeAsync();
        using TestClient client = await TestClient.ConnectAsync(server.EndPoint);
        await client.WriteAsync(bytes);
        client.HalfClose();
        await client.SkipToEndAsync();
        await Polling.UntilAsync(() => server.Log.Of(TlsFailed).Count == 1);
        await AssertNothingIsLeftAsync(server);
    }

    [Theory]
    [InlineData(ushort.MaxValue, 100)]        // larger than TLS permits
    [InlineData((1 << 14) + 2049, 0)]
    [InlineData(64, 64)]                      // does not decrypt
    [InlineData(16 * 1024, 16 * 1024)]
    public async Task A_record_that_is_wrong_ends_the_client_at_once(int declared, int sent)
    {
        await using TestServer server = await StartOnFakeTimeAsync();
        (SecureStream stream, WebSocketClient client) = await OpenAsync(server);
        using (stream)
        {
            await stream.Socket.SendAsync(Record(declared, sent), TestServer.Timely);
            ClientDisconnectedEventArgs end = await server.NextEndAsync();
            Assert.Same(client, end.Client);
            Assert.Equal((DisconnectCause.ConnectionLost, 1006, false), (end.Cause, (int)end.CloseCode, end.WasClean));
        }

        await AssertNothingIsLeftAsync(server);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(5)]
    [InlineData(1_000)]
    public async Task A_connection_that_ends_in_the_middle_of_a_record_is_lost(int bytes)
    {
        await using TestServer server = await StartOnFakeTimeAsync();
        (SecureStream stream, _) = await OpenAsync(server);
        using (stream)
        {
            await stream.Socket.SendAsync(Record(2_000, 2_000).AsMemory(0, bytes), TestServer.Timely);
            stream.Socket.Shutdown(SocketShutdown.Send);
            Assert.Equal((DisconnectCause.ConnectionLost, 1006), await server.NextEndAsync() is { } end ? (end.Cause, (int)end.CloseCode) : default);
        }

        await AssertNothingIsLeftAsync(server);
    }

    [Fact]
    public async Task A_FIN_without_close_notify_ends_the_client_as_a_FIN_does()
    {
        await using TestServer server = await StartOnFakeTimeAsync();
        (SecureStream stream, _) = await OpenAsync(server);
        using (stream)
        {
            stream.Socket.Shutdown(SocketShutdown.Send);
            Assert.Equal((DisconnectCause.ConnectionLost, 1006), await server.NextEndAsync() is { } end ? (end.Cause, (int)end.CloseCode) : default);
            await stream.AssertRefusedAsync();
        }

        await AssertNothingIsLeftAsync(server);
    }

    [Fact]
    public async Task A_FIN_without_close_notify_after_the_Close_frames_is_a_clean_end()
    {
        await using TestServer server = await StartOnFakeTimeAsync();
        (SecureStream stream, _) = await OpenAsync(server);
        using (stream)
        {
            await stream.WriteAsync(TestClient.Close(1000));
            byte[] close = new byte[4];
            await stream.Tls.ReadExactlyAsync(close, TestServer.Timely);
            Assert.Equal(0x88, close[0]);
            Assert.Equal(0, await stream.Tls.ReadAsync(close, TestServer.Timely));
            stream.Socket.Shutdown(SocketShutdown.Send);
            Assert.Equal((DisconnectCause.Closed, 1000, true), await server.NextEndAsync() is { } end ? (end.Cause, (int)end.CloseCode, end.WasClean) : default);
        }

        await AssertNothingIsLeftAsync(server);
    }

    [Fact]
    public async Task A_close_notify_without_FIN_ends_the_client_within_CloseTimeout()
    {
        // No Ping, which a server that is late to see the close_notify would send when the time passes.
        await using TestServer server = await StartOnFakeTimeAsync(options => options.PingInterval = Timeout.InfiniteTimeSpan);
        (SecureStream stream, _) = await OpenAsync(server);
        using (stream)
        {
            await stream.Tls.ShutdownAsync();
            await PassUntilAsync(server, server.NextEndAsync());
            await stream.AssertRefusedAsync();
        }

        await AssertNothingIsLeftAsync(server);
    }

    [Fact]
    public async Task A_close_notify_that_never_comes_is_waited_for_until_CloseTimeout()
    {
        await using TestServer server = await StartOnFakeTimeAsync(options => options.CloseTimeout = TimeSpan.FromSeconds(20));
        (SecureStream stream, _) = await OpenAsync(server);
        using (stream)
        {
            await stream.WriteAsync(TestClient.Close(1000));
            byte[] close = new byte[4];
            await stream.Tls.ReadExactlyAsync(close, TestServer.Timely);
            Assert.Equal(0, await stream.Tls.ReadAsync(close, TestServer.Timely)); // the server's close_notify
            // It has said Close, so nothing is missing.
            ClientDisconnectedEventArgs end = await server.NextEndAsync();
            Assert.Equal((DisconnectCause.Closed, 1000, true), (end.Cause, (int)end.CloseCode, end.WasClean));
            // But its connection is there until the timeout.
            server.Pass(TimeSpan.FromSeconds(18));
            await stream.WriteAsync(TestClient.Text("ignored"));
        }

        await AssertNothingIsLeftAsync(server);
    }

    [Fact]
    public async Task A_client_that_reads_nothing_while_the_server_closes_is_cut_after_CloseTimeout()
    {
        await using TestServer server = await StartOnFakeTimeAsync(options => options.SendQueueLimit = 64 * 1024 * 1024);
        (SecureStream stream, WebSocketClient client) = await OpenAsync(server);
        using (stream)
        {
            // Far more than the system takes.
            Assert.True(client.TrySend(new byte[32 * 1024 * 1024]).IsAccepted);
            Task closing = client.CloseAsync(cancellationToken: TestServer.Timely);
            await PassUntilAsync(server, closing);
            Assert.False((await server.NextEndAsync()).WasClean);
        }

        await AssertNothingIsLeftAsync(server);
    }

    [Fact]
    public async Task A_header_and_its_payload_in_one_record_and_many_messages_in_one_write_are_read()
    {
        await using TestServer server = await StartOnFakeTimeAsync();
        (SecureStream stream, _) = await OpenAsync(server);
        using (stream)
        {
            byte[] burst = [.. Enumerable.Range(0, 5_000).SelectMany(i => TestClient.Text($"{i:D10}"))];
            Task writing = stream.WriteAsync(burst);
            byte[] frame = new byte[12];
            for (int i = 0; i < 5_000; i++)
            {
                await stream.Tls.ReadExactlyAsync(frame, TestServer.Timely);
                Assert.Equal($"{i:D10}", System.Text.Encoding.ASCII.GetString(frame.AsSpan(2)));
            }

            await writing;
        }
    }

    [Fact]
    public async Task A_record_for_each_byte_is_read()
    {
        await using TestServer server = await StartOnFakeTimeAsync();
        (SecureStream stream, _) = await OpenAsync(server);
        using (stream)
        {
            byte[] message = TestClient.Text("byte by byte");
            foreach (byte octet in message)
                await stream.WriteAsync(new[] { octet });
            byte[] frame = new byte[14];
            await stream.Tls.ReadExactlyAsync(frame, TestServer.Timely);
            Assert.Equal("byte by byte", System.Text.Encoding.ASCII.GetString(frame.AsSpan(2)));
        }
    }

    [Fact]
    public async Task An_idle_client_holds_no_buffer()
    {
        await using TestServer server = await StartAsync();
        List<SecureStream> streams = [];
        for (int i = 0; i < 20; i++)
        {
            (SecureStream stream, _) = await OpenAsync(server);
            await stream.EchoAsync("hello");
            streams.Add(stream);
        }

        await Polling.UntilAsync(() => server.Server.BufferedBytes == 0);
        Assert.Equal(20, server.Clients.Count);
        foreach (SecureStream stream in streams)
            await stream.EchoAsync("still there");
        streams.ForEach(stream => stream.Dispose());
    }
}
