namespace WebSocketServerKit.Transport.Pipes;

/// <summary>
/// What a host hands in to carry one connection. A carrier adds nothing to it: <see cref="PipeTransportConnection"/> calls its members on threads where they may block, throw or never end, one
/// read and one write at a time.
/// </summary>
internal interface ICarrier
{
    /// <summary>Whether our direction can end while the peer's goes on.</summary>
    bool CanEndWrites { get; }

    /// <summary>Reads some bytes; 0 at the end. With an empty buffer it waits until there is something to read, where the carrier can, and takes nothing.</summary>
    ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken over);

    /// <summary>Sends all the bytes, and holds none of them back.</summary>
    ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken over);

    /// <summary>Ends our direction, if <see cref="CanEndWrites"/>. After the last write.</summary>
    ValueTask EndWritesAsync();

    /// <summary>Ends both directions and gives the carrier up. Call it once.</summary>
    /// <param name="isCut">Whether the peer shall take it for a failure.</param>
    /// <param name="whenUnused">Completes when no other call is under way.</param>
    ValueTask CloseAsync(bool isCut, Task whenUnused);
}
