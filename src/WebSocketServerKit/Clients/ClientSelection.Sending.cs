using System.Buffers;
using System.Net.WebSockets;
using System.Runtime.CompilerServices;
using WebSocketServerKit.Connections.Sending;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.Scheduling;
using WebSocketServerKit.Serving;
using WebSocketServerKit.Serving.Backplanes;

namespace WebSocketServerKit;

// byte[] converts to a span and to memory alike, and compilers before C# 14 cannot decide between them: so the overload that takes memory has the lower priority.
public partial class ClientSelection
{
    /// <summary>
    /// Sends a text message to all of them. It is encoded once, and compressed once for all clients that negotiated compression with the same window size. It never waits: a client whose send queue is full does
    /// not get the message, or what else <see cref="WebSocketServerOptions.SlowClients"/> says happens.
    /// </summary>
    /// <param name="text">A lone surrogate is sent as U+FFFD.</param>
    /// <param name="options">The message type, text by default, and whether it may be compressed.</param>
    /// <returns>The number of clients for each <see cref="SendResult"/>.</returns>
    /// <exception cref="ArgumentException">The type is neither text nor binary, or the message has more than 1 GiB.</exception>
    /// <exception cref="InvalidOperationException">The selection has a function, and the server a backplane: see <see cref="OnThisServer"/>. Nobody gets the message then.</exception>
    public BroadcastResult Broadcast(string text, SendOptions options = default)
    {
        ArgumentNullException.ThrowIfNull(text);
        Opcode opcode = WebSocketClient.OpcodeFor(options.MessageType ?? WebSocketMessageType.Text, default);
        using SharedMessage message = SharedMessage.Of(opcode, text, !options.DisableCompression);
        return Broadcast(message);
    }

    /// <summary>Sends bytes to all of them, as a binary message by default. Otherwise like <see cref="Broadcast(string, SendOptions)"/>.</summary>
    /// <param name="payload">Copied before the call returns. May be empty. For a text message it must be valid UTF-8.</param>
    /// <param name="options">The message type, binary by default, and whether it may be compressed. A <see cref="WebSocketMessageType"/> converts to it.</param>
    /// <returns>The number of clients for each <see cref="SendResult"/>.</returns>
    /// <exception cref="ArgumentException">The type is neither text nor binary, a text is not valid UTF-8, or the message has more than 1 GiB.</exception>
    /// <exception cref="InvalidOperationException">The selection has a function, and the server a backplane: see <see cref="OnThisServer"/>. Nobody gets the message then.</exception>
    public BroadcastResult Broadcast(ReadOnlySpan<byte> payload, SendOptions options = default)
    {
        Opcode opcode = WebSocketClient.OpcodeFor(options.MessageType ?? WebSocketMessageType.Binary, payload);
        using SharedMessage message = SharedMessage.Of(opcode, payload, !options.DisableCompression);
        return Broadcast(message);
    }

    /// <inheritdoc cref="Broadcast(ReadOnlySpan{byte}, SendOptions)"/>
    [OverloadResolutionPriority(-1)]
    public BroadcastResult Broadcast(ReadOnlyMemory<byte> payload, SendOptions options = default) => Broadcast(payload.Span, options);

    /// <inheritdoc cref="Broadcast(ReadOnlySpan{byte}, SendOptions)"/>
    public BroadcastResult Broadcast(ReadOnlySequence<byte> payload, SendOptions options = default)
    {
        using GatheredPayload gathered = new(payload);
        return Broadcast(gathered.Span, options);
    }

    internal BroadcastResult Broadcast(SharedMessage message, string? key = null)
    {
        ServerNode? node = Elsewhere();
        BroadcastResult here = BroadcastHere(message, key);
        return node is null ? here : here with { OtherServers = node.Forward(this, message, key) };
    }

    private BroadcastResult BroadcastHere(SharedMessage message, string? key)
    {
        int sent = 0, queued = 0, replaced = 0, dropped = 0, closed = 0;
        using SelectedClients clients = _registry.Select(this);
        Cork? cork = Cork.Put(SliceClock.Shared);
        try
        {
            for (int i = 0; i < clients.Count; i++)
            {
                if (!AcceptsAll(clients[i]))
                    continue;
                switch (clients[i].TrySend(message, key))
                {
                    case SendResult.Sent:
                        sent++;
                        break;
                    case SendResult.Queued:
                        queued++;
                        break;
                    case SendResult.Replaced:
                        replaced++;
                        break;
                    case SendResult.Dropped:
                        dropped++;
                        break;
                    default:
                        closed++;
                        break;
                }

                cork?.FlushWhenMany();
            }
        }
        finally
        {
            cork?.Pull();
        }

        return new BroadcastResult { Sent = sent, Queued = queued, Replaced = replaced, Dropped = dropped, Closed = closed };
    }
}
