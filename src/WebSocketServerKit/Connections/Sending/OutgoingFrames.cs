using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using WebSocketServerKit.Buffers;

namespace WebSocketServerKit.Connections.Sending;

/// <summary>
/// The double buffer of a connection: senders append to <see cref="Pending"/> while the drainer writes the other buffer to the transport. Then the two change places.
/// <para>Invariants: at most one drainer; bytes that the drainer has taken are never changed; while nobody drains and nothing is pending, both buffers are
/// given back.</para>
/// <para>A mutable struct: it lives in a field of the <see cref="SendQueue"/>, whose lock guards it. Only the buffer in flight belongs to the drainer.</para>
/// </summary>
internal struct OutgoingFrames(ArrayPool<byte> pool)
{
    /// <summary>What the drainer has not taken yet.</summary>
    public PendingFrames Pending = new(pool);

    private PooledBuffer _inFlight = new(pool);
    private TaskCompletionSource? _drained; // made for the first that waits
    private bool _isDraining;

    /// <summary>Whether there is a drainer. From any thread.</summary>
    public readonly bool IsDraining => Volatile.Read(in _isDraining);

    /// <summary>Bytes that the drainer has taken, and the transport has not.</summary>
    public int BytesInFlight { get; private set; }

    /// <summary>Bytes that the transport has taken so far.</summary>
    public long BytesTaken { get; private set; }

    /// <summary>Bytes that the transport has not taken yet.</summary>
    public readonly int Length => Pending.Length + BytesInFlight;

    /// <summary>Bytes of memory that both buffers hold. From any thread.</summary>
    public readonly long Capacity => (long)Pending.Capacity + _inFlight.Capacity;

    /// <summary>True when the caller becomes the drainer: nobody else is, and there is something to write.</summary>
    public bool TryBeginDrain()
    {
        if (_isDraining || Pending.IsEmpty)
            return false;
        return _isDraining = true;
    }

    /// <summary>Makes the caller the drainer although nothing is pending. It is about to write so many bytes.</summary>
    public void BeginDrain(int size) => (_isDraining, BytesInFlight) = (true, size);

    /// <summary>The buffer in flight, for the drainer alone.</summary>
    [UnscopedRef]
    public ref PooledBuffer InFlight => ref _inFlight;

    /// <summary>The transport has taken all that was in flight, but for so many bytes.</summary>
    public void Wrote(int left)
    {
        BytesTaken += BytesInFlight - left;
        BytesInFlight = left;
        if (left == 0)
            _inFlight.Clear();
    }

    /// <summary>
    /// Gives what is pending to the drainer, after its last write; if some of it may yet be dropped or replaced, about so many bytes. False when there is nothing:
    /// then <see cref="EndDrain"/> follows.
    /// </summary>
    public bool TryTake(int most, out ReadOnlyMemory<byte> bytes)
    {
        if (Pending.IsEmpty)
        {
            bytes = default;
            return false;
        }

        Pending.Take(ref _inFlight, most);
        BytesInFlight = _inFlight.Length;
        bytes = _inFlight.Written;
        return true;
    }

    /// <summary>The drainer is done, or there is none: drops what is left and gives both buffers back.</summary>
    public void EndDrain()
    {
        _isDraining = false;
        BytesInFlight = 0;
        Pending.Release();
        _inFlight.Release();
        _drained?.SetResult();
        _drained = null;
    }

    /// <summary>Completes when there is no drainer any more.</summary>
    public Task WhenDrained() => _isDraining ? (_drained ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task : Task.CompletedTask;
}
