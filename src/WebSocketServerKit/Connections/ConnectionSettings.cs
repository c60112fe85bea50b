using System.Buffers;
using WebSocketServerKit.Connections.Memory;
using WebSocketServerKit.Connections.Scheduling;
using WebSocketServerKit.Connections.Sending;

namespace WebSocketServerKit.Connections;

/// <summary>What the options say about one connection, frozen when the server starts.</summary>
internal sealed record ConnectionSettings
{
    public required int MaxMessageSize { get; init; }

    public required int MaxFragmentsPerMessage { get; init; }

    public required int MaxRequestHeadSize { get; init; }

    public required int MaxHeaderLines { get; init; }

    public required int SendQueueLimit { get; init; }

    /// <summary>Messages and bytes that one client may send per second; null for any number.</summary>
    public long? MaxMessagesPerSecond { get; init; }

    public long? MaxBytesPerSecond { get; init; }

    public required TimeSpan HandshakeTimeout { get; init; }

    public required TimeSpan PingInterval { get; init; }

    public required TimeSpan PingTimeout { get; init; }

    public required TimeSpan CloseTimeout { get; init; }

    public required TimeSpan MaxCloseDuration { get; init; }

    public required TimeSpan SlowHandlerThreshold { get; init; }

    public required bool CloseOnHandlerException { get; init; }

    /// <summary>Where handlers run, or null for the thread pool.</summary>
    public SynchronizationContext? EventContext { get; init; }

    /// <summary>Null when permessage-deflate is not offered to anybody.</summary>
    public CompressionSettings? Compression { get; init; }

    /// <summary>What all connections of the server may hold together.</summary>
    public MemoryBudget Budget { get; init; } = new(long.MaxValue, ArrayPool<byte>.Shared);

    public ArrayPool<byte> Pool => Budget.Pool;

    public SliceClock Clock { get; init; } = SliceClock.Shared;
}
