using System.Net;
using System.Net.Sockets;
using WebSocketServerKit.Options;
using WebSocketServerKit.Transport.Sockets;
using WebSocketServerKit.Transport.Tls;

namespace WebSocketServerKit.Serving;

/// <summary>The listeners of a server. Thread-safe.</summary>
/// <param name="listen">Starts a listener on one end point; the second argument is the end points of the listeners so far.</param>
/// <param name="accept">Accepts for a socket that the host passes on.</param>
internal sealed class Listeners(Func<EndPoint, IReadOnlyList<EndPoint>, SocketSettings, TransportListener> listen, AcceptFactory? accept = null)
{
    // The attempts to find a port that is free on both 127.0.0.1 and [::1], for port 0.
    private const int Tries = 16;

    private readonly Lock _gate = new();
    private readonly List<(TransportListener Listener, TlsAuthentication? Tls, string? Text)> _listeners = [];
    private IReadOnlyList<EndPoint> _endPoints = [];
    private bool _isClosed;

    /// <summary>The end points of all listeners, in the order in which they were added.</summary>
    public IReadOnlyList<EndPoint> EndPoints => Volatile.Read(ref _endPoints);

    /// <summary>The certificates that are in use.</summary>
    public IReadOnlyList<TlsAuthentication> Certificates
    {
        get
        {
            lock (_gate)
                return [.. _listeners.Select(entry => entry.Tls).OfType<TlsAuthentication>()];
        }
    }

    /// <summary>Starts the listeners of one place, or none of them.</summary>
    /// <exception cref="IOException">The place cannot be listened on.</exception>
    /// <exception cref="InvalidOperationException">All listeners have been closed.</exception>
    public IReadOnlyList<TransportListener> Add(ListenTarget target)
    {
        lock (_gate)
        {
            if (_isClosed)
                throw ServerRun.Stopping();
            List<TransportListener> added = [];
            try
            {
                Add(target, added);
            }
            catch
            {
                foreach (TransportListener listener in added)
                    listener.Dispose();
                throw;
            }

            _listeners.AddRange(added.Select(listener => (listener, target.Tls, target.Address?.Text)));
            Publish();
            return added;
        }
    }

    /// <summary>Closes the listener on an end point. False if there is none.</summary>
    public bool Remove(EndPoint endPoint)
    {
        lock (_gate)
        {
            if (_isClosed)
                return false;
            int index = _listeners.FindIndex(entry => entry.Listener.LocalEndPoint.Equals(endPoint));
            if (index < 0)
                return false;
            TransportListener listener = _listeners[index].Listener;
            _listeners.RemoveAt(index);
            Publish();
            listener.Dispose();
            return true;
        }
    }

    /// <summary>Closes the listeners of an address, by the text with which it was given.</summary>
    /// <returns>Their end points; empty if there is none of that text.</returns>
    public IReadOnlyList<EndPoint> Remove(string text)
    {
        lock (_gate)
        {
            if (_isClosed)
                return [];
            TransportListener[] removed = [.. _listeners.Where(entry => entry.Text == text).Select(entry => entry.Listener)];
            EndPoint[] endPoints = [.. removed.Select(listener => listener.LocalEndPoint)];
            _listeners.RemoveAll(entry => entry.Text == text);
            Publish();
            foreach (TransportListener listener in removed)
                listener.Dispose();
            return endPoints;
        }
    }

    /// <summary>Closes all listeners. Further calls do nothing.</summary>
    public void Close()
    {
        lock (_gate)
        {
            _isClosed = true;
            foreach ((TransportListener listener, _, _) in _listeners)
                listener.Dispose();
            Volatile.Write(ref _endPoints, []);
        }
    }

    private void Publish() => Volatile.Write(ref _endPoints, [.. _listeners.Select(entry => entry.Listener.LocalEndPoint)]);

    private void Add(ListenTarget target, List<TransportListener> added)
    {
        if (target.Address is not { } address)
            added.Add(TransportListener.Start(target.Socket!, target.Sockets, accept));
        else if (address.Scope == ListenScope.EndPoint)
            Listen(address.EndPoint, target, added);
        else if (address.Scope == ListenScope.Localhost)
            ListenOnLocalhost(((IPEndPoint)address.EndPoint).Port, target, added);
        else if (!TryListen(address.EndPoint, target, added))
            Listen(new IPEndPoint(IPAddress.Any, ((IPEndPoint)address.EndPoint).Port), target, added);
    }

    private void ListenOnLocalhost(int port, ListenTarget target, List<TransportListener> added)
    {
        for (int attempt = 1; ; attempt++)
        {
            if (!TryListen(new IPEndPoint(IPAddress.Loopback, port), target, added))
            {
                Listen(new IPEndPoint(IPAddress.IPv6Loopback, port), target, added);
                return;
            }

            TransportListener ipv4 = added[^1];
            try
            {
                TryListen(new IPEndPoint(IPAddress.IPv6Loopback, ((IPEndPoint)ipv4.LocalEndPoint).Port), target, added);
                return;
            }
            catch (IOException taken) when (port == 0 && attempt < Tries && taken.InnerException is SocketException { SocketErrorCode: SocketError.AddressAlreadyInUse })
            {
                added.Remove(ipv4);
                ipv4.Dispose();
            }
        }
    }

    // False if the system does not support this IP version, or has no address of it.
    private bool TryListen(EndPoint endPoint, ListenTarget target, List<TransportListener> added)
    {
        try
        {
            Listen(endPoint, target, added);
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

    private void Listen(EndPoint endPoint, ListenTarget target, List<TransportListener> added) =>
        added.Add(listen(endPoint, [.. _listeners.Select(entry => entry.Listener).Concat(added).Select(listener => listener.LocalEndPoint)], target.Sockets));
}
