using System.Buffers;
using System.Collections;
using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Runtime.CompilerServices;
using System.Text;
using WebSocketServerKit.Connections.Scheduling;
using WebSocketServerKit.Connections.Sending;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.Serving;
using WebSocketServerKit.Transport;

namespace WebSocketServerKit;

/// <summary>
/// The clients that are connected. Thread-safe. An enumeration goes over a snapshot: it is not disturbed by clients that connect or leave meanwhile.
/// </summary>
[SuppressMessage("Naming", "CA1710", Justification = "It is more than a collection: it finds clients and broadcasts.")]
public sealed class ClientRegistry : IReadOnlyCollection<WebSocketClient>
{
    private readonly Lock _gate = new();
    private readonly Dictionary<long, WebSocketClient> _byId = [];
    private readonly ClientIndex<string> _byPath = new(static client => ref client.PlaceByPath, StringComparer.Ordinal);
    private readonly ClientIndex<IPAddress> _byRemoteAddress = new(static client => ref client.PlaceByRemoteAddress);
    private WebSocketClient[]? _snapshot = []; // null when a client was added or removed since

    internal ClientRegistry()
    {
    }

    /// <summary>How many clients are connected.</summary>
    public int Count
    {
        get
        {
            lock (_gate)
                return _byId.Count;
        }
    }

    /// <summary>The client with this <see cref="WebSocketClient.Id"/>, or null if it is not connected.</summary>
    public WebSocketClient? Find(long id)
    {
        lock (_gate)
            return _byId.GetValueOrDefault(id);
    }

    /// <summary>The clients with this <see cref="WebSocketClient.Path"/>, in no particular order. Paths are case-sensitive.</summary>
    public IReadOnlyList<WebSocketClient> FindByPath(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        lock (_gate)
            return _byPath.Find(path);
    }

    /// <summary>
    /// The clients with this remote address, whatever their ports, in no particular order. A link-local address without a scope (<c>fe80::1</c>) finds the clients of
    /// every network interface, one with a scope (<c>fe80::1%2</c>) those of that interface.
    /// </summary>
    public IReadOnlyList<WebSocketClient> FindByRemoteAddress(IPAddress address)
    {
        ArgumentNullException.ThrowIfNull(address);
        if (address.IsIPv4MappedToIPv6)
            address = address.MapToIPv4();
        IPAddress anyScope = WithoutScope(address);
        IReadOnlyList<WebSocketClient> found;
        lock (_gate)
            found = _byRemoteAddress.Find(anyScope);
        return ReferenceEquals(anyScope, address) ? found : [.. found.Where(client => EndPointAddress.Of(client.RemoteEndPoint).Equals(address))];
    }

    /// <summary>
    /// Sends a text message to all clients, or to some: <c>Broadcast(text, client => client.Path == "/news")</c>, <c>Broadcast(text, except: sender)</c>. It is encoded once, and compressed
    /// once for all clients that negotiated compression. It never waits: a client whose send queue is full does not get the message.
    /// </summary>
    /// <returns>The number of clients for each <see cref="SendResult"/>.</returns>
    /// <remarks>An exception of <paramref name="where"/> comes out; the clients before have the message then.</remarks>
    /// <param name="text">A lone surrogate is sent as U+FFFD.</param>
    /// <param name="where">Selects the clients; null for all. Called once per client, on the calling thread, outside of any lock.</param>
    /// <param name="except">A client to leave out: often the sender.</param>
    public BroadcastResult Broadcast(string text, Func<WebSocketClient, bool>? where = null, WebSocketClient? except = null) =>
        Broadcast(text, default(SendOptions), where, except);

    /// <summary>Sends a string to all clients, or to some, with options. Otherwise like <see cref="Broadcast(string, Func{WebSocketClient, bool}?, WebSocketClient?)"/>.</summary>
    /// <param name="text">A lone surrogate is sent as U+FFFD.</param>
    /// <param name="options">The message type, text by default, and whether it may be compressed.</param>
    /// <param name="where">Selects the clients; null for all. Called once per client, on the calling thread, outside of any lock.</param>
    /// <param name="except">A client to leave out: often the sender.</param>
    /// <exception cref="ArgumentOutOfRangeException">The type is neither text nor binary.</exception>
    [OverloadResolutionPriority(1)]
    public BroadcastResult Broadcast(string text, SendOptions options, Func<WebSocketClient, bool>? where = null, WebSocketClient? except = null)
    {
        ArgumentNullException.ThrowIfNull(text);
        Opcode opcode = WebSocketClient.OpcodeFor(options.MessageType ?? WebSocketMessageType.Text, default);
        using var message = new SharedMessage(opcode, Encoding.UTF8.GetByteCount(text), !options.DisableCompression, ArrayPool<byte>.Shared);
        Encoding.UTF8.GetBytes(text, message.Payload);
        return Broadcast(message, where, except);
    }

    /// <summary>Sends a binary message to all clients, or to some. Otherwise like <see cref="Broadcast(string, Func{WebSocketClient, bool}?, WebSocketClient?)"/>.</summary>
    /// <param name="payload">Copied before the call returns. May be empty.</param>
    /// <param name="where">Selects the clients; null for all. Called once per client, on the calling thread, outside of any lock.</param>
    /// <param name="except">A client to leave out: often the sender.</param>
    public BroadcastResult Broadcast(ReadOnlySpan<byte> payload, Func<WebSocketClient, bool>? where = null, WebSocketClient? except = null) =>
        Broadcast(payload, default(SendOptions), where, except);

    /// <summary>Sends bytes to all clients, or to some, with options. Otherwise like <see cref="Broadcast(string, Func{WebSocketClient, bool}?, WebSocketClient?)"/>.</summary>
    /// <param name="payload">Copied before the call returns. May be empty. For a text message it must be valid UTF-8.</param>
    /// <param name="options">The message type, binary by default, and whether it may be compressed. A <see cref="WebSocketMessageType"/> converts to it.</param>
    /// <param name="where">Selects the clients; null for all. Called once per client, on the calling thread, outside of any lock.</param>
    /// <param name="except">A client to leave out: often the sender.</param>
    /// <exception cref="ArgumentException">The type is neither text nor binary, or a text is not valid UTF-8.</exception>
    [OverloadResolutionPriority(1)]
    public BroadcastResult Broadcast(ReadOnlySpan<byte> payload, SendOptions options, Func<WebSocketClient, bool>? where = null, WebSocketClient? except = null)
    {
        Opcode opcode = WebSocketClient.OpcodeFor(options.MessageType ?? WebSocketMessageType.Binary, payload);
        using var message = new SharedMessage(opcode, payload.Length, !options.DisableCompression, ArrayPool<byte>.Shared);
        payload.CopyTo(message.Payload);
        return Broadcast(message, where, except);
    }

    /// <inheritdoc cref="Broadcast(ReadOnlySpan{byte}, Func{WebSocketClient, bool}?, WebSocketClient?)"/>
    [OverloadResolutionPriority(-1)]
    public BroadcastResult Broadcast(ReadOnlyMemory<byte> payload, Func<WebSocketClient, bool>? where = null, WebSocketClient? except = null) =>
        Broadcast(payload.Span, default(SendOptions), where, except);

    /// <inheritdoc cref="Broadcast(ReadOnlySpan{byte}, SendOptions, Func{WebSocketClient, bool}?, WebSocketClient?)"/>
    public BroadcastResult Broadcast(ReadOnlyMemory<byte> payload, SendOptions options, Func<WebSocketClient, bool>? where = null, WebSocketClient? except = null) =>
        Broadcast(payload.Span, options, where, except);

    /// <inheritdoc cref="Broadcast(ReadOnlySpan{byte}, Func{WebSocketClient, bool}?, WebSocketClient?)"/>
    public BroadcastResult Broadcast(ReadOnlySequence<byte> payload, Func<WebSocketClient, bool>? where = null, WebSocketClient? except = null) =>
        Broadcast(payload, default(SendOptions), where, except);

    /// <inheritdoc cref="Broadcast(ReadOnlySpan{byte}, SendOptions, Func{WebSocketClient, bool}?, WebSocketClient?)"/>
    [OverloadResolutionPriority(1)]
    public BroadcastResult Broadcast(ReadOnlySequence<byte> payload, SendOptions options, Func<WebSocketClient, bool>? where = null, WebSocketClient? except = null)
    {
        using GatheredPayload gathered = new(payload);
        return Broadcast(gathered.Span, options, where, except);
    }

    /// <summary>Enumerates the clients that are connected at this moment.</summary>
    public IEnumerator<WebSocketClient> GetEnumerator() => ((IEnumerable<WebSocketClient>)Snapshot()).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    internal void Add(WebSocketClient client)
    {
        lock (_gate)
        {
            _byId.Add(client.Id, client);
            _byPath.Add(client.Path, client);
            _byRemoteAddress.Add(WithoutScope(EndPointAddress.Of(client.RemoteEndPoint)), client);
            _snapshot = null;
        }
    }

    internal void Remove(WebSocketClient client)
    {
        lock (_gate)
        {
            _byId.Remove(client.Id);
            _byPath.Remove(client.Path, client);
            _byRemoteAddress.Remove(WithoutScope(EndPointAddress.Of(client.RemoteEndPoint)), client);
            _snapshot = null;
        }
    }

    private static IPAddress WithoutScope(IPAddress address) =>
        address is { AddressFamily: AddressFamily.InterNetworkV6, ScopeId: not 0 } ? new IPAddress(address.GetAddressBytes()) : address;

    private WebSocketClient[] Snapshot()
    {
        lock (_gate)
            return _snapshot ??= [.. _byId.Values];
    }

    private BroadcastResult Broadcast(SharedMessage message, Func<WebSocketClient, bool>? where, WebSocketClient? except)
    {
        int sent = 0, queued = 0, full = 0, closed = 0;
        Cork? cork = Cork.Put(SliceClock.Shared);
        try
        {
            foreach (WebSocketClient client in Snapshot())
            {
                if (client == except || (where is not null && !where(client)))
                    continue;
                switch (client.TrySend(message))
                {
                    case SendResult.Sent:
                        sent++;
                        break;
                    case SendResult.Queued:
                        queued++;
                        break;
                    case SendResult.Full:
                        full++;
                        break;
                    default:
                        closed++;
                        break;
                }

                cork?.FlushWhenFull();
            }
        }
        finally
        {
            cork?.Pull();
        }

        return new BroadcastResult { Sent = sent, Queued = queued, Full = full, Closed = closed };
    }
}
