using System.Net;
using System.Net.Sockets;
using WebSocketServerKit.Options;
using WebSocketServerKit.Transport.Sockets;

namespace WebSocketServerKit.Serving;

/// <summary>Starts the listeners for all addresses of the options, or none of them. Used by one thread.</summary>
/// <param name="listen">Starts a listener on one end point; the second argument is the end points of the listeners so far.</param>
internal sealed class Listeners(Func<EndPoint, IReadOnlyList<EndPoint>, TransportListener> listen)
{
    // The attempts to find a port that is free on both 127.0.0.1 and [::1], for port 0.
    private const int Tries = 16;

    private readonly List<TransportListener> _listeners = [];

    /// <exception cref="IOException">One of the addresses cannot be listened on. Then all listeners are closed.</exception>
    public static IReadOnlyList<TransportListener> Start(IEnumerable<ListenAddress> addresses, Func<EndPoint, IReadOnlyList<EndPoint>, TransportListener> listen)
    {
        var listeners = new Listeners(listen);
        try
        {
            foreach (ListenAddress address in addresses)
                listeners.Add(address);
            return listeners._listeners;
        }
        catch
        {
            foreach (TransportListener listener in listeners._listeners)
                listener.Dispose();
            throw;
        }
    }

    private void Add(ListenAddress address)
    {
        if (address.Scope == ListenScope.EndPoint)
            Listen(address.EndPoint);
        else if (address.Scope == ListenScope.Localhost)
            ListenOnLocalhost(((IPEndPoint)address.EndPoint).Port);
        else if (!TryListen(address.EndPoint))
            Listen(new IPEndPoint(IPAddress.Any, ((IPEndPoint)address.EndPoint).Port));
    }

    private void ListenOnLocalhost(int port)
    {
        for (int attempt = 1; ; attempt++)
        {
            if (!TryListen(new IPEndPoint(IPAddress.Loopback, port)))
            {
                Listen(new IPEndPoint(IPAddress.IPv6Loopback, port));
                return;
            }

            TransportListener ipv4 = _listeners[^1];
            try
            {
                TryListen(new IPEndPoint(IPAddress.IPv6Loopback, ((IPEndPoint)ipv4.LocalEndPoint).Port));
                return;
            }
            catch (IOException taken) when (port == 0 && attempt < Tries && taken.InnerException is SocketException { SocketErrorCode: SocketError.AddressAlreadyInUse })
            {
                _listeners.Remove(ipv4);
                ipv4.Dispose();
            }
        }
    }

    // False if the system does not support this IP version, or has no address of it.
    private bool TryListen(EndPoint endPoint)
    {
        try
        {
            Listen(endPoint);
            return true;
        }
        catch (IOException failure) when (failure.InnerException is SocketException
        {
            SocketErrorCode: SocketError.AddressFamilyNotSupported or SocketError.ProtocolFamilyNotSupported or SocketError.ProtocolNotSupported or SocketError.AddressNotAvailable,
        })
        {
            return false;
        }
    }

    private void Listen(EndPoint endPoint) => _listeners.Add(listen(endPoint, [.. _listeners.Select(listener => listener.LocalEndPoint)]));
}
