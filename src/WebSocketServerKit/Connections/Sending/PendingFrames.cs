using System.Buffers;
using System.Text;
using WebSocketServerKit.Buffers;
using WebSocketServerKit.Protocol.Framing;

namespace WebSocketServerKit.Connections.Sending;

/// <summary>
/// Frames that wait for the transport, in the order of the wire, in one buffer. This type alone writes frames into it.
/// <para>Invariants: it holds whole frames only, and before the first of them the answer to the handshake. A frame can be withdrawn only as long as it is
/// here.</para>
/// <para>A mutable struct: it lives in a field of its one owner. Not thread-safe.</para>
/// </summary>
internal struct PendingFrames(ArrayPool<byte> pool)
{
    private PooledBuffer _bytes = new(pool);

    public readonly int Length => _bytes.Length;

    public readonly bool IsEmpty => _bytes.IsEmpty;

    /// <summary>Bytes of memory that it holds.</summary>
    public readonly int Capacity => _bytes.Capacity;

    /// <summary>Appends a frame around a payload.</summary>
    public void Append(Opcode opcode, ReadOnlySpan<byte> payload)
    {
        Span<byte> frame = _bytes.GetSpan(FrameHeaderWriter.MaxSize + payload.Length);
        int header = FrameHeaderWriter.Write(frame, opcode, payload.Length);
        payload.CopyTo(frame[header..]);
        _bytes.Advance(header + payload.Length);
    }

    /// <summary>Appends a text frame. The text is encoded directly into the buffer.</summary>
    /// <param name="text">The message.</param>
    /// <param name="length">Its length in UTF-8.</param>
    public void Append(string text, int length)
    {
        Span<byte> frame = _bytes.GetSpan(FrameHeaderWriter.MaxSize + length);
        int header = FrameHeaderWriter.Write(frame, Opcode.Text, length);
        Encoding.UTF8.GetBytes(text, frame[header..]);
        _bytes.Advance(header + length);
    }

    /// <summary>Appends a frame that is ready.</summary>
    public void Append(ReadOnlySpan<byte> frame) => _bytes.Append(frame);

    /// <summary>Moves all frames behind those of another, and gives the memory back.</summary>
    public void MoveTo(ref PendingFrames other)
    {
        if (!IsEmpty)
            other._bytes.Append(_bytes.Written.Span);
        _bytes.Release();
    }

    /// <summary>Exchanges the bytes with those of an empty buffer, without a copy.</summary>
    public void SwapWith(ref PooledBuffer empty) => (_bytes, empty) = (empty, _bytes);

    /// <summary>Drops all frames and gives the memory back.</summary>
    public void Release() => _bytes.Release();

    /// <summary>Drops all frames, gives the memory back, and expects to hold little from now on.</summary>
    public void Discard() => _bytes.Empty();
}
