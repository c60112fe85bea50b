using WebSocketServerKit.Buffers;
using WebSocketServerKit.Connections.Memory;

namespace WebSocketServerKit.Connections.Sending;

/// <summary>
/// Knows where the messages lie in the bytes of <see cref="PendingFrames"/>, while some of them may be dropped or replaced. There is one entry for each such
/// message, and one for each run of other frames between them, in the order of the wire.
/// <para>Invariants: an entry keeps its place in the order when its message is replaced, wherever the new bytes lie. Bytes that no entry covers are garbage.
/// Without garbage the bytes lie in the order of the entries. When no entry has bytes, the buffer is empty.</para>
/// <para>Made on demand, and given up when the transport is idle. The lock of the <see cref="SendQueue"/> guards it.</para>
/// </summary>
internal sealed class PendingMessages(MemoryBudget budget)
{
    /// <summary>The estimated memory of an entry in bytes, with the free places of its array. It counts against the limit of the queue.</summary>
    public const int EntrySize = 64;

    /// <summary>The same for an entry's key, besides its characters.</summary>
    public const int KeySize = 64;

    private Entry[] _entries = new Entry[8];
    private Dictionary<string, int>? _byKey; // made for the first key
    private int _first;  // the entries before it are dead
    private int _end;    // the entries from it on are free
    private int _alive;
    private int _oldest; // no entry before it is a message

    /// <summary>The bytes of all entries.</summary>
    public int Length { get; private set; }

    /// <summary>The bytes of all entries that are messages, and can be dropped or replaced.</summary>
    public int MessageLength { get; private set; }

    /// <summary>The estimated memory of the entries in bytes.</summary>
    public int Overhead { get; private set; }

    /// <summary>Notes that other frames were appended at the end of the buffer.</summary>
    public void AddFrames(int offset, int length)
    {
        if (length == 0)
            return;
        if (_end > _first && _entries[_end - 1] is { IsMessage: false, Length: > 0 } last && last.Offset + last.Length == offset)
        {
            _entries[_end - 1].Length += length;
            Length += length;
            return;
        }

        Add(new Entry { Offset = offset, Length = length });
    }

    /// <summary>Notes that the latest frame, which was noted by <see cref="AddFrames"/>, is a message.</summary>
    /// <param name="length">Its length.</param>
    /// <param name="key">Its key, which no other message here has; null for none.</param>
    public void MarkLast(int length, string? key)
    {
        ref Entry frames = ref _entries[_end - 1];
        int offset = frames.Offset + frames.Length - length;
        frames.Length -= length;
        Length -= length;
        if (frames.Length == 0)
        {
            Bury(ref frames);
            _end--;
        }

        Add(new Entry { Offset = offset, Length = length, IsMessage = true, Key = key });
    }

    /// <summary>Finds the message with this key.</summary>
    /// <param name="key">The key.</param>
    /// <param name="place">Its place, valid until the next change.</param>
    public bool TryFind(string key, out int place)
    {
        place = -1;
        return _byKey is not null && _byKey.TryGetValue(key, out place);
    }

    /// <summary>The bytes of the message at this place.</summary>
    public ReadOnlySpan<byte> At(int place, ReadOnlyMemory<byte> bytes) => bytes.Span.Slice(_entries[place].Offset, _entries[place].Length);

    /// <summary>Puts a message in place of another.</summary>
    public void Replace(int place, ref PooledBuffer bytes, ReadOnlySpan<byte> frame)
    {
        ref Entry entry = ref _entries[place];
        int more = frame.Length - entry.Length;
        if (more <= 0)
        {
            frame.CopyTo(bytes.Written.Span[entry.Offset..]);
        }
        else
        {
            Reserve(ref bytes, frame.Length);
            int offset = bytes.Length;
            bytes.Append(frame);
            entry.Offset = offset;
        }

        entry.Length = frame.Length;
        Length += more;
        MessageLength += more;
    }

    /// <summary>Drops the oldest messages until their bytes and memory come to <paramref name="excess"/>, which is lessened by them.</summary>
    /// <param name="bytes">The buffer.</param>
    /// <param name="excess">What has to go, in bytes.</param>
    /// <param name="keep">The place of a message that is not dropped; -1 for none.</param>
    /// <returns>How many were dropped.</returns>
    public int DropOldest(ref PooledBuffer bytes, ref long excess, int keep)
    {
        int dropped = 0;
        for (int place = _oldest; place < _end && excess > 0; place++)
        {
            ref Entry entry = ref _entries[place];
            if (!entry.IsMessage || place == keep)
                continue;
            excess -= entry.Length + entry.Overhead;
            Bury(ref entry);
            dropped++;
        }

        while (_oldest < _end && !_entries[_oldest].IsMessage)
            _oldest++;
        ClearIfEmpty(ref bytes);
        return dropped;
    }

    /// <summary>Appends the first entries to another buffer and removes them here: as many as fit into so many bytes, and at least one.</summary>
    public void Take(ref PooledBuffer bytes, ref PooledBuffer target, int most)
    {
        int begin = target.Length;
        for (; _first < _end; _first++)
        {
            ref Entry entry = ref _entries[_first];
            if (entry.Length == 0)
                continue;
            if (target.Length > begin && target.Length - begin + entry.Length > most)
                return;
            target.Append(bytes.Written.Span.Slice(entry.Offset, entry.Length));
            Bury(ref entry);
        }

        ClearIfEmpty(ref bytes);
    }

    /// <summary>Appends all entries to another buffer.</summary>
    public void CopyTo(ReadOnlyMemory<byte> bytes, ref PendingFrames other)
    {
        for (int place = _first; place < _end; place++)
        {
            Entry entry = _entries[place];
            if (entry.Length == 0)
                continue;
            other.Append(At(place, bytes));
            if (entry.IsMessage)
                other.MarkLast(entry.Length, entry.Key, budget);
        }
    }

    /// <summary>Makes sure that the buffer has room. It is compacted rather than enlarged when a quarter of it or more is garbage.</summary>
    public void Reserve(ref PooledBuffer bytes, int size)
    {
        int garbage = bytes.Length - Length;
        if (garbage == 0 || bytes.Capacity - bytes.Length >= size || garbage < bytes.Length / 4)
            return;
        var compact = new PooledBuffer(budget.Pool);
        compact.GetSpan(Length + size);
        for (int place = _first; place < _end; place++)
        {
            ref Entry entry = ref _entries[place];
            if (entry.Length == 0)
                continue;
            int offset = compact.Length;
            compact.Append(bytes.Written.Span.Slice(entry.Offset, entry.Length));
            entry.Offset = offset;
        }

        bytes.Release();
        bytes = compact;
    }

    /// <summary>Removes all entries.</summary>
    public void Clear()
    {
        Array.Clear(_entries, _first, _end - _first);
        _byKey?.Clear();
        budget.Count(-Overhead);
        (_first, _end, _alive, _oldest) = (0, 0, 0, 0);
        (Length, MessageLength, Overhead) = (0, 0, 0);
    }

    private void ClearIfEmpty(ref PooledBuffer bytes)
    {
        if (Length > 0)
            return;
        Clear();
        bytes.Clear();
    }

    private void Add(Entry entry)
    {
        if (_end == _entries.Length)
            MakeRoom();
        if (entry.Key is not null)
            (_byKey ??= new Dictionary<string, int>(StringComparer.Ordinal)).Add(entry.Key, _end);
        _entries[_end++] = entry;
        _alive++;
        Length += entry.Length;
        if (entry.IsMessage)
            MessageLength += entry.Length;
        Count(entry.Overhead);
    }

    // The entry is dead: its bytes are garbage.
    private void Bury(ref Entry entry)
    {
        Length -= entry.Length;
        if (entry.IsMessage)
            MessageLength -= entry.Length;
        if (entry.Key is not null)
            _byKey!.Remove(entry.Key);
        Count(-entry.Overhead);
        _alive--;
        entry = default;
    }

    private void MakeRoom()
    {
        if (_alive > _end - _end / 4)
            Array.Resize(ref _entries, 2 * _end);
        int to = 0;
        for (int place = _first; place < _end; place++)
        {
            Entry entry = _entries[place];
            if (entry.Length == 0)
                continue;
            _entries[to] = entry;
            if (entry.Key is not null)
                _byKey![entry.Key] = to;
            to++;
        }

        Array.Clear(_entries, to, _end - to);
        (_first, _end, _oldest) = (0, to, 0);
    }

    private void Count(int bytes)
    {
        Overhead += bytes;
        budget.Count(bytes);
    }

    private struct Entry
    {
        public string? Key;
        public int Offset;
        public int Length; // 0 when it is dead
        public bool IsMessage;

        public readonly int Overhead => Key is null ? EntrySize : EntrySize + KeySize + sizeof(char) * Key.Length;
    }
}
