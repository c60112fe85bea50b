using WebSocketServerKit.Buffers;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.Transport;

namespace WebSocketServerKit.Connections.Sending;

/// <summary>
/// Writes a large message directly from the caller's memory, as far as the transport takes it without waiting. A copy would cost more than a second system call.
/// <para>Invariants: the caller is the drainer, and nothing is in flight. The payload is not used after the return: what the transport has not taken is
/// copied.</para>
/// </summary>
internal static class WriteThrough
{
    /// <summary>Payloads of more bytes are large. The first bytes, as many as this, are copied behind the header, so that the two leave in one write.</summary>
    public const int Threshold = 64 * 1024;

    /// <summary>Writes a frame.</summary>
    /// <returns>What the transport has not taken. It lies in <paramref name="buffer"/>.</returns>
    public static ReadOnlyMemory<byte> Write(TransportConnection transport, ref PooledBuffer buffer, Opcode opcode, ReadOnlySpan<byte> payload)
    {
        Span<byte> begin = buffer.GetSpan(FrameHeaderWriter.MaxSize + Threshold);
        int header = FrameHeaderWriter.Write(begin, opcode, payload.Length);
        payload[..Threshold].CopyTo(begin[header..]);
        buffer.Advance(header + Threshold);
        payload = payload[Threshold..];

        int taken = transport.TryWrite(buffer.Written.Span);
        bool takesAll = taken == buffer.Length;
        while (takesAll && !payload.IsEmpty)
        {
            ReadOnlySpan<byte> piece = payload[..Math.Min(payload.Length, SendQueue.WriteLimit)];
            int count = transport.TryWrite(piece);
            payload = payload[count..];
            takesAll = count == piece.Length;
        }

        buffer.Append(payload);
        return buffer.Written[taken..];
    }
}
