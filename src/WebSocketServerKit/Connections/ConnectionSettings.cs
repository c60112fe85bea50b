using System.Buffers;
using WebSocketServerKit.Connections.Memory;
using WebSocketServerKit.Connections.Sending;
using WebSocketServerKit.Diagnostics;
using WebSocketServerKit.Scheduling;

namespace WebSocketServerKit.Connections;

/// <summary>The options of one connection, copied when the server starts. Immutable.</summary>
internal sealed record ConnectionSettings
{
    public required int MaxMessageSize { get; init; }

    public required int MaxFragmentsPerMessage { get; init; }

    public required int MaxRequestHeadSize { get; init; }

    public required int MaxHeaderLines { get; init; }

    public required int SendQueueLimit { get; init; }

    /// <summary>What happens to messages for which the send queue has no room.</summary>
    public SlowClientPolicy SlowClients { get; init; }

    /// <summary>The size that the client's send buffer in the system is set to, in bytes; null to leave it to the policy.</summary>
    public int? SendBufferSize { get; init; }

    /// <summary>Counts what is dropped for all connections of the server.</summary>
    public SendTotals SendTotals { get; init; } = new();

    /// <summary>The instruments of the server; null if nobody measures.</summary>
    public ServerMetrics? Metrics { get; init; }

    /// <summary>Messages that one client may send per second; null for no limit.</summary>
    public long? MaxMessagesPerSecond { get; init; }

    /// <summary>Bytes that one client may send per second; null for no limit.</summary>

    public long? MaxBytesPerSecond { get; init; }

    /// <summary>The size from which messages are handed on in parts; null for never.</summary>
    public long? StreamMessagesFrom { get; init; }

    public long MaxStreamedMessageSize { get; init; }

    public TimeSpan StreamedMessageTimeout { get; init; }

    /// <summary>Null for no limit.</summary>
    public int? MaxSubscriptionsPerClient { get; init; }

    /// <summary>What happens to a client that exceeds these two.</summary>
    public RateLimitReaction OverRate { get; init; }

    /// <summary>How long before the end of a session the host is told. Zero: not at all.</summary>
    public TimeSpan ExpiryNotice { get; init; }

    public required TimeSpan HandshakeTimeout { get; init; }

    public required TimeSpan PingInterval { get; init; }

    public required TimeSpan PingTimeout { get; init; }

    public required TimeSpan CloseTimeout { get; init; }

    public required TimeSpan MaxCloseDuration { get; init; }

    public required TimeSpan SlowHandlerThreshold { get; init; }

    public required bool CloseOnHandlerException { get; init; }

    /// <summary>The context in which handlers run; null for the thread pool.</summary>
    public SynchronizationContext? EventContext { get; init; }

    /// <summary>Null when permessage-deflate is off.</summary>
    public CompressionSettings? Compression { get; init; }

    /// <summary>The memory budget that all connections of the server share.</summary>
    public MemoryBudget Budget { get; init; } = new(long.MaxValue, ArrayPool<byte>.Shared);

    public ArrayPool<byte> Pool => Budget.Pool;

    public SliceClock Clock { get; init; } = SliceClock.Shared;
}
