using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace WebSocketServerKit.Transport.Sockets;

public class TransportListenerTests
{
    private static CancellationToken Token => AcceptedConnections.Timely;

    [Fact]
    public async Task Port_0_becomes_a_real_port_that_clients_can_connect_to()
    {
        await using AcceptedConnections server = AcceptedConnections.OnLoopback();

        Assert.NotEqual(0, server.EndPoint.Port);
        (Socket client, TransportConnection connection) = await server.ConnectAsync();
        using (client)
        {
            Assert.Equal(client.LocalEndPoint, connection.RemoteEndPoint);
            Assert.Equal(server.Listener.LocalEndPoint, connection.LocalEndPoint);
        }
    }

    [Fact]
    public async Task IPv6Any_takes_clients_of_both_families_and_shows_each_with_its_own_address()
    {
        Assert.SkipUnless(Socket.OSSupportsIPv6, "This machine has no IPv6.");
        await using var server = new AcceptedConnections(new IPEndPoint(IPAddress.IPv6Any, 0));
        int port = server.EndPoint.Port;

        foreach (IPAddress address in (IPAddress[])[IPAddress.Loopback, IPAddress.IPv6Loopback])
        {
            using Socket client = await AcceptedConnections.ConnectAsync(new IPEndPoint(address, port));
            TransportConnection connection = await server.NextAsync();

            Assert.Equal(client.LocalEndPoint, connection.RemoteEndPoint);
            Assert.Equal(new IPEndPoint(address, port), connection.LocalEndPoint);
        }
    }

    [Fact]
    public async Task An_explicit_IPv6_address_can_be_listened_on()
    {
        Assert.SkipUnless(Socket.OSSupportsIPv6, "This machine has no IPv6.");
        await using var server = new AcceptedConnections(new IPEndPoint(IPAddress.IPv6Loopback, 0));

        (Socket client, TransportConnection connection) = await server.ConnectAsync();
        using (client)
            Assert.Equal(client.LocalEndPoint, connection.RemoteEndPoint);
    }

    [Fact]
    public void A_taken_port_is_an_error_that_says_what_to_do()
    {
        using TransportListener first = TransportListener.Start(new IPEndPoint(IPAddress.Loopback, 0));

        IOException failure = Assert.Throws<IOException>(() => TransportListener.Start(first.LocalEndPoint));

        string expected = $"Cannot listen on {first.LocalEndPoint}: the address is already in use.";
        Assert.StartsWith(expected, failure.Message, StringComparison.Ordinal);
        Assert.Equal(SocketError.AddressAlreadyInUse, Assert.IsType<SocketException>(failure.InnerException).SocketErrorCode);
    }

    [Fact]
    public void An_address_of_another_machine_is_an_error_that_says_what_to_do()
    {
        // RFC 5737: 192.0.2.0/24 is for documentation, so no machine has it.
        IOException failure = Assert.Throws<IOException>(() => TransportListener.Start(IPEndPoint.Parse("192.0.2.1:0")));

        const string Expected = "Cannot listen on 192.0.2.1:0: this machine does not have that address.";
        Assert.StartsWith(Expected, failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("127.0.0.1", "0.0.0.0", "0.0.0.0:{0} includes 127.0.0.1:{0}. Leave 127.0.0.1:{0} out.")]
    [InlineData("0.0.0.0", "::", "[::]:{0} includes 0.0.0.0:{0}, since [::] takes IPv4 clients too. Leave 0.0.0.0:{0} out.")]
    [InlineData("::", "0.0.0.0", "[::]:{0} includes 0.0.0.0:{0}, since [::] takes IPv4 clients too. Leave 0.0.0.0:{0} out.")]
    [InlineData("::", "::1", "[::]:{0} includes [::1]:{0}. Leave [::1]:{0} out.")]
    [InlineData("127.0.0.1", "127.0.0.1", "it is among the server's end points twice. Leave one out.")]
    public void Two_end_points_that_exclude_each_other_are_an_error_that_says_which_one_to_leave_out(string first, string second, string why)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && Socket.OSSupportsIPv6, "Other systems let both listen, or have no IPv6.");
        using TransportListener listener = TransportListener.Start(new IPEndPoint(IPAddress.Parse(first), 0));
        int port = ((IPEndPoint)listener.LocalEndPoint).Port;

        IOException failure = Assert.Throws<IOException>(
            () => TransportListener.Start(new IPEndPoint(IPAddress.Parse(second), port), others: [listener.LocalEndPoint]));

        Assert.EndsWith(string.Format(CultureInfo.InvariantCulture, why, port), failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_link_local_address_without_its_interface_is_an_error_that_says_what_is_missing()
    {
        Assert.SkipUnless(Socket.OSSupportsIPv6, "This machine has no IPv6.");
        IOException failure = Assert.Throws<IOException>(() => TransportListener.Start(IPEndPoint.Parse("[fe80::1]:0")));

        const string Expected = "Cannot listen on [fe80::1]:0: a link-local address says nothing without the network interface that it is meant on.";
        Assert.StartsWith(Expected, failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_port_can_be_listened_on_again_at_once_though_old_connections_linger_in_TIME_WAIT()
    {
        // Another program may take the port in between, which is rare; TIME_WAIT would be there each time.
        for (int attempt = 1; !await TryListenAgainAsync(); attempt++)
            Assert.InRange(attempt, 1, 4);
    }

    private static async Task<bool> TryListenAgainAsync()
    {
        IPEndPoint endPoint;
        await using (AcceptedConnections first = AcceptedConnections.OnLoopback())
        {
            endPoint = first.EndPoint;
            (Socket client, TransportConnection connection) = await first.ConnectAsync();
            using (client)
            {
                // The side that closes first keeps TIME_WAIT: let it be the server, and let the client finish its half.
                connection.ShutdownSend();
                Assert.Equal(0, await client.ReceiveAsync(new byte[1], Token));
                client.Shutdown(SocketShutdown.Send);
                Assert.True((await connection.Input.ReadTimelyAsync()).IsCompleted);
            }
        }

        AcceptedConnections second;
        try
        {
            second = new AcceptedConnections(endPoint);
        }
        catch (IOException)
        {
            return false;
        }

        await using (second)
        {
            (Socket again, _) = await second.ConnectAsync();
            again.Dispose();
        }

        return true;
    }

    [Fact]
    public async Task A_port_can_be_listened_on_again_at_once_though_old_connections_live_on()
    {
        var first = new AcceptedConnections(new IPEndPoint(IPAddress.Loopback, 0));
        await using (first)
        {
            (Socket client, TransportConnection connection) = await first.ConnectAsync();
            using (client)
            {
                first.Listener.Dispose();
                await using var second = new AcceptedConnections(first.Listener.LocalEndPoint);
                (Socket other, _) = await second.ConnectAsync();
                other.Dispose();

                await connection.WriteAsync("still here"u8.ToArray());
                Assert.Equal(10, await client.ReceiveAsync(new byte[100], Token));
            }
        }
    }

    [Fact]
    public async Task Clients_that_reset_before_they_are_accepted_do_no_harm()
    {
        await using var server = new AcceptedConnections(new IPEndPoint(IPAddress.Loopback, 0), run: false);
        for (int i = 0; i < 5; i++)
            AcceptedConnections.Reset(await AcceptedConnections.ConnectAsync(server.Listener.LocalEndPoint));

        server.Run();
        using Socket client = await AcceptedConnections.ConnectAsync(server.Listener.LocalEndPoint);
        TransportConnection connection;
        do
        {
            // Linux hands out those that are gone, too: they fail at their first read.
            connection = await server.NextAsync();
            if (!connection.RemoteEndPoint.Equals(client.LocalEndPoint))
                await Assert.ThrowsAsync<IOException>(async () => await connection.Input.ReadTimelyAsync());
        }
        while (!connection.RemoteEndPoint.Equals(client.LocalEndPoint));

        Assert.Empty(server.Reports);
    }

    [Fact]
    public async Task Disposing_ends_accepting_quietly_and_refuses_new_clients()
    {
        var reports = new List<IOException>();
        TransportListener listener = TransportListener.Start(new IPEndPoint(IPAddress.Loopback, 0));
        Task running = listener.RunAsync(_ => { }, reports.Add, TimeProvider.System);

        listener.Dispose();
        listener.Dispose();

        await running.WaitAsync(Token);
        Assert.Empty(reports);
        SocketException refused = await Assert.ThrowsAsync<SocketException>(() => AcceptedConnections.ConnectAsync(listener.LocalEndPoint));
        Assert.Equal(SocketError.ConnectionRefused, refused.SocketErrorCode);
    }

    [Fact]
    public async Task Accepting_on_a_listener_that_is_disposed_already_just_ends()
    {
        TransportListener listener = TransportListener.Start(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Dispose();

        await listener.RunAsync(_ => { }, _ => { }, TimeProvider.System).WaitAsync(Token);
    }

    [Fact]
    public void A_socket_file_on_which_nobody_listens_is_replaced_and_removed_at_the_end()
    {
        string path = Path.Combine(Path.GetTempPath(), $"{Guid.NewGuid():N}.sock");
        string moved = path + "2";
        // As after a process that was killed: nobody listens, and nobody has removed the file.
        using (TransportListener killed = TransportListener.Start(new UnixDomainSocketEndPoint(path)))
            File.Move(path, moved);
        File.Move(moved, path);

        using (TransportListener.Start(new UnixDomainSocketEndPoint(path)))
            Assert.True(File.Exists(path));
        Assert.False(File.Exists(path));
    }

    [Fact]
    public void A_socket_that_is_in_use_and_a_file_that_is_no_socket_are_errors_and_stay()
    {
        string path = Path.Combine(Path.GetTempPath(), $"{Guid.NewGuid():N}.sock");
        var endPoint = new UnixDomainSocketEndPoint(path);
        using (TransportListener first = TransportListener.Start(endPoint))
        {
            IOException taken = Assert.Throws<IOException>(() => TransportListener.Start(endPoint));
            Assert.StartsWith($"Cannot listen on {path}: a program listens on it", taken.Message, StringComparison.Ordinal);
            IOException twice = Assert.Throws<IOException>(() => TransportListener.Start(endPoint, others: [first.LocalEndPoint]));
            Assert.EndsWith("twice. Leave one out.", twice.Message, StringComparison.Ordinal);
        }

        File.WriteAllText(path, "");
        try
        {
            Assert.Throws<IOException>(() => TransportListener.Start(endPoint));
            Assert.True(File.Exists(path));
        }
        finally
        {
            File.Delete(path);
        }
    }
}
