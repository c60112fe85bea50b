using System.Net;
using System.Net.Sockets;
using WebSocketServerKit.Options;
using WebSocketServerKit.Transport.Sockets;

namespace WebSocketServerKit.Serving;

public class ListenersTests
{
    private static TransportListener Listen(EndPoint endPoint, IReadOnlyList<EndPoint> others) => TransportListener.Start(endPoint, others: others);

    private static IOException Failure(SocketError error) => new("Cannot listen.", new SocketException((int)error));

    private static List<IPEndPoint> StartAndStop(string url, Func<EndPoint, IReadOnlyList<EndPoint>, TransportListener> listen)
    {
        IReadOnlyList<TransportListener> listeners = Listeners.Start([ListenAddress.Parse(url)], listen);
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
    public void When_one_fails_none_is_listened_on()
    {
        List<TransportListener> started = [];
        Assert.Throws<IOException>(() => Listeners.Start([ListenAddress.Parse("http://127.0.0.1:0"), ListenAddress.Parse("http://127.0.0.1:0")], (endPoint, others) =>
        {
            if (started.Count == 1)
                throw Failure(SocketError.AccessDenied);
            started.Add(Listen(endPoint, others));
            return started[0];
        }));

        // The port is free again.
        Listen(started[0].LocalEndPoint, []).Dispose();
    }
}
