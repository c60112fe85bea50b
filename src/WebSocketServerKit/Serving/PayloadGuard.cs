using System.Buffers;
using System.Runtime.InteropServices;
using WebSocketServerKit.Connections.Handling;

namespace WebSocketServerKit.Serving;

/// <summary>
/// Lets the payload of one message be used as memory, and refuses it once the handlers of that message have ended. While it is pinned the message does not end: whoever pins it writes
/// or sends the bytes asynchronously, and would write another client's.
/// </summary>
internal sealed class PayloadGuard(WebSocketClient client, long run) : MemoryManager<byte>
{
    public ReadOnlyMemory<byte> Guarded => CreateMemory(client.PayloadOf(run).Length);

    public override Span<byte> GetSpan() => MemoryMarshal.AsMemory(client.PayloadOf(run)).Span;

    public override unsafe MemoryHandle Pin(int elementIndex = 0)
    {
        HandlerScope handlers = client.HoldPayload(run);
        try
        {
            MemoryHandle pin = client.PayloadOf(run)[elementIndex..].Pin();
            return new MemoryHandle(pin.Pointer, pinnable: new Pinned(pin, handlers));
        }
        catch
        {
            handlers.ReleasePayload();
            throw;
        }
    }

    public override void Unpin()
    {
        // Each handle that Pin gives out has a pin of its own.
    }

    protected override void Dispose(bool disposing)
    {
        // The bytes belong to the connection.
    }

    private sealed class Pinned(MemoryHandle pin, HandlerScope handlers) : IPinnable
    {
        private MemoryHandle _pin = pin;

        public MemoryHandle Pin(int elementIndex) => throw new NotSupportedException("Pin the memory.");

        public void Unpin()
        {
            _pin.Dispose();
            handlers.ReleasePayload();
        }
    }
}
