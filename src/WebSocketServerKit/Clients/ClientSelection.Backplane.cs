using System.Buffers;
using System.Net.WebSockets;
using WebSocketServerKit.Connections.Sending;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.Serving;
using WebSocketServerKit.Serving.Backplanes;

namespace WebSocketServerKit;

// Clients of other servers.
public partial class ClientSelection
{
    private static readonly TimeSpan DefaultReplyTimeout = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LongestReplyTimeout = TimeSpan.FromDays(49); // a timer can wait no longer

    /// <summary>
    /// Narrows to the clients of this server. Without it, sends, <c>CloseAsync</c>, <see cref="Abort"/>, <see cref="Join"/> and <see cref="Leave"/> go to the clients of all servers, if the server has a backplane: see
    /// <see cref="WebSocketServer.UseBackplane"/>. Counts and enumerations are those of this server in any case.
    /// </summary>
    public ClientSelection OnThisServer() => StaysHere ? this : new LocalSelection(this);

    /// <summary>Narrows to one client, which may be connected to another server: <see cref="WebSocketClient.GlobalId"/>.</summary>
    /// <param name="id">An id that was kept. If the client has left, the selection is empty.</param>
    public ClientSelection WithGlobalId(GlobalClientId id) => new SingleClientSelection(this, _registry, id);

    /// <summary>Lets all of them join a group, as <see cref="WebSocketClient.Join"/> does.</summary>
    /// <returns>How many clients of this server were not in it before.</returns>
    /// <param name="group">Any name but an empty one. It is case-sensitive.</param>
    /// <exception cref="ArgumentException">The name is null or empty.</exception>
    /// <exception cref="InvalidOperationException">The selection has a function, and the server a backplane: see <see cref="OnThisServer"/>.</exception>
    public int Join(string group)
    {
        ArgumentException.ThrowIfNullOrEmpty(group);
        Elsewhere()?.Forward(this, EnvelopeKind.Join, group);
        int joined = 0;
        ForEach(client => joined += client.Join(group) ? 1 : 0);
        return joined;
    }

    /// <summary>Lets all of them leave a group, as <see cref="WebSocketClient.Leave"/> does.</summary>
    /// <returns>How many clients of this server were in it.</returns>
    /// <param name="group">Any name but an empty one. It is case-sensitive.</param>
    /// <exception cref="ArgumentException">The name is null or empty.</exception>
    /// <exception cref="InvalidOperationException">The selection has a function, and the server a backplane: see <see cref="OnThisServer"/>.</exception>
    public int Leave(string group)
    {
        ArgumentException.ThrowIfNullOrEmpty(group);
        Elsewhere()?.Forward(this, EnvelopeKind.Leave, group);
        int left = 0;
        ForEach(client => left += client.Leave(group) ? 1 : 0);
        return left;
    }

    /// <summary>
    /// Sends a text message to all of them, and waits until the other servers have told what became of it: <c>(await server.Clients.WithUser("ada").BroadcastAsync(text)).Result.Accepted > 0</c>. Otherwise like
    /// <see cref="Broadcast(string, SendOptions)"/>, which does not wait, and does not know.
    /// </summary>
    /// <param name="text">A lone surrogate is sent as U+FFFD.</param>
    /// <param name="options">The message type, text by default, and whether it may be compressed.</param>
    /// <param name="timeout">How long to wait for each: the backplane and the servers. Default: 5 seconds. <see cref="Timeout.InfiniteTimeSpan"/> for no limit.</param>
    /// <param name="cancellationToken">Ends the wait; the message is not taken back. Cancelled before the call, nothing is sent.</param>
    /// <exception cref="ArgumentException">The type is neither text nor binary, the message has more than 1 GiB, or the timeout is negative or more than 49 days.</exception>
    /// <exception cref="IOException">The backplane cannot be reached, or has not answered in time. The clients of this server have got the message.</exception>
    /// <exception cref="InvalidOperationException">The selection has a function, and the server a backplane: see <see cref="OnThisServer"/>. Nobody gets the message then.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled before or while it waited.</exception>
    public async Task<BroadcastReport> BroadcastAsync(string text, SendOptions options = default, TimeSpan? timeout = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(text);
        Opcode opcode = WebSocketClient.OpcodeFor(options.MessageType ?? WebSocketMessageType.Text, default);
        using SharedMessage message = SharedMessage.Of(opcode, text, !options.DisableCompression);
        return await BroadcastAsync(message, timeout, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Sends bytes to all of them, as a binary message by default. Otherwise like <see cref="BroadcastAsync(string, SendOptions, TimeSpan?, CancellationToken)"/>.</summary>
    /// <param name="payload">Not changed before the task has completed. May be empty. For a text message it must be valid UTF-8.</param>
    /// <param name="options">The message type, binary by default, and whether it may be compressed.</param>
    /// <param name="timeout">How long to wait for each: the backplane and the servers. Default: 5 seconds. <see cref="Timeout.InfiniteTimeSpan"/> for no limit.</param>
    /// <param name="cancellationToken">Ends the wait; the message is not taken back. Cancelled before the call, nothing is sent.</param>
    /// <exception cref="ArgumentException">The type is neither text nor binary, a text is not valid UTF-8, the message has more than 1 GiB, or the timeout is negative or more than 49 days.</exception>
    /// <exception cref="IOException">The backplane cannot be reached, or has not answered in time. The clients of this server have got the message.</exception>
    /// <exception cref="InvalidOperationException">The selection has a function, and the server a backplane: see <see cref="OnThisServer"/>. Nobody gets the message then.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled before or while it waited.</exception>
    public async Task<BroadcastReport> BroadcastAsync(ReadOnlyMemory<byte> payload, SendOptions options = default, TimeSpan? timeout = null, CancellationToken cancellationToken = default)
    {
        Opcode opcode = WebSocketClient.OpcodeFor(options.MessageType ?? WebSocketMessageType.Binary, payload.Span);
        using SharedMessage message = new(opcode, payload, !options.DisableCompression, ArrayPool<byte>.Shared);
        return await BroadcastAsync(message, timeout, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Sends a message that was encoded before to all of them. Otherwise like <see cref="BroadcastAsync(string, SendOptions, TimeSpan?, CancellationToken)"/>.</summary>
    /// <param name="message">The message.</param>
    /// <param name="timeout">How long to wait for each: the backplane and the servers. Default: 5 seconds. <see cref="Timeout.InfiniteTimeSpan"/> for no limit.</param>
    /// <param name="cancellationToken">Ends the wait; the message is not taken back. Cancelled before the call, nothing is sent.</param>
    /// <exception cref="ArgumentException">The timeout is negative or more than 49 days.</exception>
    /// <exception cref="IOException">The backplane cannot be reached, or has not answered in time. The clients of this server have got the message.</exception>
    /// <exception cref="InvalidOperationException">The selection has a function, and the server a backplane: see <see cref="OnThisServer"/>. Nobody gets the message then.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled before or while it waited.</exception>
    public async Task<BroadcastReport> BroadcastAsync(PreparedMessage message, TimeSpan? timeout = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(message);
        using SharedMessage shared = new(message.Frames);
        return await BroadcastAsync(shared, timeout, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Whether the selection has functions of the host, which only this process can call.</summary>
    internal bool HasFunction { get; }

    /// <summary>Whether it has clients of this server alone, whatever the backplane is.</summary>
    internal bool StaysHere { get; }

    /// <summary>The channel of the servers that may have clients which this link leaves in, and how much it narrows. Null for all servers.</summary>
    internal virtual (int Rank, BackplaneChannel Channel)? Channel => null;

    /// <summary>Adds what this link means to other servers.</summary>
    internal virtual void Describe(SelectionDescription description)
    {
    }

    // Where to publish what is for clients of other servers as well. Null if there are none.
    private ServerNode? Elsewhere()
    {
        if (_registry.Node is not { } node || StaysHere)
            return null;
        return !HasFunction ? node : throw new InvalidOperationException(
            "A function given to Where cannot be called on the other servers of the backplane. Put OnThisServer() into the selection if its clients on this server are meant; "
            + "to reach those on all servers, select by group, tag, user, path or topic.");
    }

    private async Task<BroadcastReport> BroadcastAsync(SharedMessage message, TimeSpan? timeout, CancellationToken cancellationToken)
    {
        TimeSpan patience = timeout ?? DefaultReplyTimeout;
        if (patience != Timeout.InfiniteTimeSpan && (patience < TimeSpan.Zero || patience > LongestReplyTimeout))
            throw new ArgumentOutOfRangeException(nameof(timeout), timeout, $"The timeout is negative or more than {LongestReplyTimeout}. For no limit pass Timeout.InfiniteTimeSpan.");
        cancellationToken.ThrowIfCancellationRequested();
        ServerNode? node = Elsewhere();
        BroadcastResult here = BroadcastHere(message, key: null);
        BroadcastReport elsewhere = node is null ? default : await node.AskAsync(this, message, null, _registry.Time, patience, cancellationToken).ConfigureAwait(false);
        return elsewhere with { Result = here.Plus(elsewhere.Result) };
    }
}
