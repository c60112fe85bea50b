namespace WebSocketServerKit.Transport.Pipes;

/// <summary>
/// A stream or a pipe of the host that carries one connection. <see cref="PipeTransportConnection"/> calls the members on threads where they may block, throw or never end, one read and one
/// write at a time.
/// </summary>
internal interface ICarrier
{
    /// <summary>Whether a half-close is possible: our direction ends, and the peer's continues.</summary>
    bool CanEndWrites { get; }

    /// <summary>Reads bytes and returns their number; 0 at the end. With an empty buffer it waits until bytes have arrived, if the carrier can, and reads none.</summary>
    ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken over);

    /// <summary>Sends all bytes, without buffering any.</summary>
    ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken over);

    /// <summary>Ends our direction. Call it after the last write, and only if <see cref="CanEndWrites"/>.</summary>
    ValueTask EndWritesAsync();

    /// <summary>Ends both directions and disposes of the carrier. Call it once.</summary>
    /// <param name="isCut">Whether the connection was cut, so that the peer should see a failure.</param>
    /// <param name="whenUnused">Completes when no other call is pending.</param>
    ValueTask CloseAsync(bool isCut, Task whenUnused);
}
