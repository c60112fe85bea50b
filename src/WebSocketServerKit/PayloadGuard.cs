using System.Buffers;

namespace WebSocketServerKit;

/// <summary>Lets the payload of one message be used as memory, and refuses it once the handlers of that message have ended.</summary>
internal sealed class PayloadGuard(WebSocketConnection client, long run) : MemoryManager<byte>
{
    public ReadOnlyMemory<byte> Guarded => CreateMemory(client.PayloadOf(run).Length);

    public override Span<byte> GetSpan() => System.Runtime.InteropServices.MemoryMarshal.AsMemory(client.PayloadOf(run)).Span;

    public override MemoryHandle Pin(int elementIndex = 0) => client.PayloadOf(run)[elementIndex..].Pin();

    public override void Unpin()
    {
        // The handle that Pin gave out unpins the bytes themselves.
    }

    protected override void Dispose(bool disposing)
    {
        // The bytes belong to the connection.
    }
}
