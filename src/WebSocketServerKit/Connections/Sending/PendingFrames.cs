using System.Buffers;
using System.Text;
using WebSocketServerKit.Buffers;
using WebSocketServerKit.Connections.Memory;
using WebSocketServerKit.Protocol.Framing;

namespace WebSocketServerKit.Connections.Sending;

/// <summary>
/// Frames that wait for the transport, in the order of the wire, in one buffer. This type alone writes frames into it.
/// <para>Invariants: it holds whole frames only, and before the first of them the answer to the handshake. A frame can be withdrawn only as long as it is
/// here, and only if <see cref="PendingMessages"/> has an entry for it.</para>
/// <para>A mutable struct: it lives in a field of its one owner. Not thread-safe.</para>
/// </summary>
internal struct PendingFrames(ArrayPool<byte> pool)
{
    private PooledBuffer _bytes = new(pool);
    private PendingMessages? _messages; // made for the first message that may be dropped or replaced

    /// <summary>The bytes that wait.</summary>
    public readonly int Length => _messages is null ? _bytes.Length : _messages.Length;

    /// <summary>The bytes that wait, of messages that may be dropped or replaced.</summary>
    public readonly int MessageLength => _messages?.MessageLength ?? 0;

    /// <summary>What counts against the limit of the queue: <see cref="Length"/>, and the memory of the entries.</summary>
    public readonly long Counted => _messages is null ? _bytes.Length : (long)_messages.Length + _messages.Overhead;

    public readonly bool IsEmpty => _bytes.IsEmpty;

    /// <summary>Bytes of memory that it holds.</summary>
    public readonly int Capacity => _bytes.Capacity + (_messages?.Overhead ?? 0);

    /// <summary>Appends a frame around a payload.</summary>
    public void Append(Opcode opcode, ReadOnlySpan<byte> payload)
    {
        Span<byte> frame = GetSpan(FrameHeaderWriter.MaxSize + payload.Length);
        int header = FrameHeaderWriter.Write(frame, opcode, payload.Length);
        payload.CopyTo(frame[header..]);
        Advance(header + payload.Length);
    }

    /// <summary>Appends a text frame. The text is encoded directly into the buffer.</summary>
    /// <param name="text">The message.</param>
    /// <param name="length">Its length in UTF-8.</param>
    public void Append(string text, int length)
    {
        Span<byte> frame = GetSpan(FrameHeaderWriter.MaxSize + length);
        int header = FrameHeaderWriter.Write(frame, Opcode.Text, length);
        Encoding.UTF8.GetBytes(text, frame[header..]);
        Advance(header + length);
    }

    /// <summary>Appends a frame that is ready.</summary>
    public void Append(ReadOnlySpan<byte> frame)
    {
        frame.CopyTo(GetSpan(frame.Length));
        Advance(frame.Length);
    }

    /// <summary>Lets the message that was just appended be dropped, and replaced by its key.</summary>
    /// <param name="length">The length of its frame.</param>
    /// <param name="key">Its key, which no other message here has; null for none.</param>
    /// <param name="budget">Counts the memory of the entries.</param>
    public void MarkLast(int length, string? key, MemoryBudget budget)
    {
        if (_messages is null)
        {
            _messages = new PendingMessages(budget);
            _messages.AddFrames(0, _bytes.Length);
        }

        _messages.MarkLast(length, key);
    }

    /// <summary>Finds the message with this key.</summary>
    /// <param name="key">The key.</param>
    /// <param name="place">Its place, valid until the next change.</param>
    public readonly bool TryFind(string key, out int place)
    {
        place = -1;
        return _messages is not null && _messages.TryFind(key, out place);
    }

    /// <summary>The frame of the message at this place.</summary>
    public readonly ReadOnlySpan<byte> At(int place) => _messages!.At(place, _bytes.Written);

    /// <summary>Puts a frame in place of another, which keeps its place in the order.</summary>
    public void Replace(int place, ReadOnlySpan<byte> frame) => _messages!.Replace(place, ref _bytes, frame);

    /// <summary>Drops the oldest messages: see <see cref="PendingMessages.DropOldest"/>.</summary>
    public int DropOldest(ref long excess, int keep = -1) => _messages?.DropOldest(ref _bytes, ref excess, keep) ?? 0;

    /// <summary>Moves all frames behind those of another, and gives the memory back.</summary>
    public void MoveTo(ref PendingFrames other)
    {
        if (_messages is not null)
            _messages.CopyTo(_bytes.Written, ref other);
        else if (!IsEmpty)
            other.Append(_bytes.Written.Span);
        Release();
    }

    /// <summary>Moves frames to an empty buffer: all of them, and usually without a copy. If messages may be dropped or replaced, as many as fit into so many bytes.</summary>
    public void Take(ref PooledBuffer empty, int most)
    {
        // The buffer that is given away must not be larger than what may be in flight, or both would grow to the size of all that is pending.
        if (_messages is not null && (_messages.Length != _bytes.Length || _bytes.Length > most || _bytes.Capacity > 2 * most))
        {
            if (empty.Capacity > 2 * most)
                empty.Release();
            _messages.Take(ref _bytes, ref empty, most);
            return;
        }

        _messages?.Clear();
        (_bytes, empty) = (empty, _bytes);
    }

    /// <summary>Drops all frames and gives the memory back.</summary>
    public void Release()
    {
        _messages?.Clear();
        _messages = null;
        _bytes.Release();
    }

    /// <summary>Drops all frames, gives the memory back, and expects to hold little from now on.</summary>
    public void Discard()
    {
        Release();
        _bytes.Empty();
    }

    private Span<byte> GetSpan(int size)
    {
        _messages?.Reserve(ref _bytes, size);
        return _bytes.GetSpan(size);
    }

    private void Advance(int size)
    {
        _messages?.AddFrames(_bytes.Length, size);
        _bytes.Advance(size);
    }
}
