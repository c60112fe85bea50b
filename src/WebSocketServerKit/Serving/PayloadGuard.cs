using System.Buffers;
using System.Runtime.InteropServices;
using WebSocketServerKit.Connections.Handling;

namespace WebSocketServerKit.Serving;

/// <summary>
/// Gives out the payload of one message as <see cref="Memory{T}"/>, and throws when it is used after the handlers of that message have ended. While the memory
/// is pinned, the message does not end: an asynchronous write of pinned bytes would otherwise write another message after the buffer is reused.
/// </summary>
internal sealed class PayloadGuard(WebSocketClient client, long run) : MemoryManager<byte>
{
    public ReadOnlyMemory<byte> Guarded => CreateMemory(client.PayloadOf(run).Length);

    public override Span<byte> GetSpan() => MemoryMarshal.AsMemory(client.PayloadOf(run)).Span;

    public override unsafe MemoryHandle Pin(int elementIndex = 0)
    {
        HandlerScope handlers = client.HoldPayload(run, out ReadOnlyMemory<byte> payload);
        try
        {
            MemoryHandle pin = payload[elementIndex..].Pin();
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
        // Each handle of Pin unpins itself.
    }

    protected override void Dispose(bool disposing)
    {
        // The connection owns the bytes.
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
