using System.Net;
using System.Net.Sockets;
using WebSocketServerKit.Options;
using WebSocketServerKit.Transport.Sockets;

namespace WebSocketServerKit.Serving;

/// <summary>Begins to listen on all places that the options name, or on none.</summary>
/// <param name="listen">Listens on one end point; it is told where the server listens already.</param>
internal sealed class Listeners(Func<EndPoint, IReadOnlyList<EndPoint>, TransportListener> listen)
{
    // How often a port that the system chose for 127.0.0.1 may turn out to be taken on [::1].
    private const int Tries = 16;

    private readonly List<TransportListener> _listeners = [];

    /// <exception cref="IOException">One of them cannot be listened on; then none is.</exception>
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

    // False where the system lacks this version of IP, or has it but no address of it.
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
