using WebSocketServerKit.Connections.Handling;

namespace WebSocketServerKit.Serving;

/// <summary>
/// The payload of a received message, which stays valid until this is disposed of: so the bytes can be used where they are, and need not be checked afterwards. On the thread that raises the
/// message's event that costs nothing. On any other thread it counts as a running handler.
/// </summary>
internal readonly ref struct HeldPayload
{
    private readonly HandlerScope? _scope; // null where the payload is valid anyway

    /// <exception cref="InvalidOperationException">The handlers of this message have ended.</exception>
    public HeldPayload(WebSocketClient client, long run)
    {
        if (client.IsHandlingOnThisThread)
        {
            Memory = client.PayloadOf(run);
        }
        else
        {
            _scope = client.HoldPayload(run, out ReadOnlyMemory<byte> payload);
            Memory = payload;
        }
    }

    public ReadOnlyMemory<byte> Memory { get; }

    public ReadOnlySpan<byte> Span => Memory.Span;

    public void Dispose() => _scope?.ReleasePayload();
}
