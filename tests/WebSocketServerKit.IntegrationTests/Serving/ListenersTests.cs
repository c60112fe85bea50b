using System.Net;
using System.Net.Sockets;
using WebSocketServerKit.Options;
using WebSocketServerKit.TestKit;
using WebSocketServerKit.Transport.Sockets;

namespace WebSocketServerKit.Serving;

public class ListenersTests
{
    private static TransportListener Listen(EndPoint endPoint, IReadOnlyList<EndPoint> others) => TransportListener.Start(endPoint, others: others);

    private static IOException Failure(SocketError error) => new("Cannot listen.", new SocketException((int)error));

    private static Listeners Start(Func<EndPoint, IReadOnlyList<EndPoint>, TransportListener>? listen = null) =>
        new((endPoint, others, _) => (listen ?? Listen)(endPoint, others));

    private static ListenTarget Target(string url) => new(ListenAddress.Parse(url), null, SocketSettings.Default, null, ProxyProtocol: false);

    private static List<IPEndPoint> StartAndStop(string url, Func<EndPoint, IReadOnlyList<EndPoint>, TransportListener> listen)
    {
        IReadOnlyList<TransportListener> listeners = Start(listen).Add(Target(url));
        foreach (TransportListener listener in listeners)
            listener.Dispose();
        return [.. listeners.Select(listener => (IPEndPoint)listener.LocalEndPoint)];
    }

    [Fact]
    public void Localhost_is_both_loopback_addresses_on_one_port()
    {
        Assert.SkipUnless(Socket.OSSupportsIPv6, "This machine has no IPv6.");
        List<IPEndPoint> endPoints = StartAndStop("http://localhost:0", Listen);
        Assert.Equal([IPAddress.Loopback, IPAddress.IPv6Loopback], endPoints.Select(endPoint => endPoint.Address));
        Assert.Single(endPoints.Select(endPoint => endPoint.Port).Distinct());
    }

    [Fact]
    public void Localhost_tries_another_port_when_that_of_the_system_is_taken_on_the_other_address()
    {
        List<int> tried = [];
        List<IPEndPoint> endPoints = StartAndStop("http://localhost:0", (endPoint, others) =>
        {
            if (endPoint.AddressFamily == AddressFamily.InterNetwork)
                return Listen(endPoint, others);
            tried.Add(((IPEndPoint)endPoint).Port);
            throw Failure(tried.Count == 1 ? SocketError.AddressAlreadyInUse : SocketError.AddressNotAvailable);
        });
        Assert.Equal(2, tried.Count);
        Assert.Equal(tried[1], Assert.Single(endPoints).Port);
    }

    [Theory]
    [InlineData(AddressFamily.InterNetwork)]
    [InlineData(AddressFamily.InterNetworkV6)]
    public void Where_one_version_of_IP_is_missing_the_other_suffices(AddressFamily missing)
    {
        Assert.SkipUnless(Socket.OSSupportsIPv6, "This machine has no IPv6.");
        foreach (string url in (string[])["http://localhost:0", "http://*:0"])
        {
            List<IPEndPoint> endPoints = StartAndStop(
                url, (endPoint, others) => endPoint.AddressFamily == missing ? throw Failure(SocketError.AddressFamilyNotSupported) : Listen(endPoint, others));
            Assert.NotEqual(missing, Assert.Single(endPoints).AddressFamily);
        }
    }

    [Fact]
    public void When_one_address_of_a_place_fails_none_is_listened_on()
    {
        List<TransportListener> started = [];
        Listeners listeners = Start((endPoint, others) =>
        {
            if (started.Count == 1)
                throw Failure(SocketError.AccessDenied);
            started.Add(Listen(endPoint, others));
            return started[0];
        });
        Assert.Throws<IOException>(() => listeners.Add(Target("http://localhost:0")));
        Assert.Empty(listeners.EndPoints);

        // The port is free again.
        Listen(started[0].LocalEndPoint, []).Dispose();
    }

    [Fact]
    public void A_removed_end_point_is_free_and_the_others_stay()
    {
        Listeners listeners = Start();
        EndPoint first = Assert.Single(listeners.Add(Target("http://127.0.0.1:0"))).LocalEndPoint;
        EndPoint second = Assert.Single(listeners.Add(Target("http://127.0.0.1:0"))).LocalEndPoint;
        Assert.Equal([first, second], listeners.EndPoints);
        Assert.True(listeners.Remove(first));
        Assert.False(listeners.Remove(first));
        Assert.Equal([second], listeners.EndPoints);
        Listen(first, []).Dispose();
        listeners.Close();
    }

    [Fact]
    public void After_the_close_nothing_is_added()
    {
        Listeners listeners = Start();
        listeners.Close();
        Assert.Throws<InvalidOperationException>(() => listeners.Add(Target("http://127.0.0.1:0")));
    }

    [Fact]
    public async Task A_socket_that_listens_already_is_taken_over()
    {
        Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        socket.Listen();
        using Socket early = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await early.ConnectAsync(socket.LocalEndPoint!, TestContext.Current.CancellationToken);

        Listeners listeners = Start();
        TransportListener listener = Assert.Single(listeners.Add(new ListenTarget(null, socket, SocketSettings.Default, null, ProxyProtocol: false)));
        TaskCompletionSource<EndPoint> accepted = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Task accepting = listener.RunAsync(
            connection =>
            {
                accepted.SetResult(connection.RemoteEndPoint);
                connection.Abort();
            },
            accepted.SetException,
            TimeProvider.System);
        Assert.Equal(early.LocalEndPoint, await accepted.Task.WaitAsync(TestServer.Timely));
        listeners.Close();
        await accepting;
        Assert.Throws<IOException>(() => Start().Add(new ListenTarget(null, socket, SocketSettings.Default, null, ProxyProtocol: false)));
    }
}
