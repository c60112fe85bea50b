using System.Buffers;

namespace WebSocketServerKit.Transport.EventLoops;

/// <summary>
/// An array that a loop receives into, for one client after another. Bytes that are used up at once leave no trace. Those that a client keeps, because its handlers go on, stay where they
/// are; the loop receives behind them. The array goes back to the pool when its loop and all clients have released it.
/// </summary>
/// <remarks><see cref="Keep"/> is for the loop's thread, the rest for any.</remarks>
internal sealed class ReadBuffer(ArrayPool<byte> pool)
{
    /// <summary>The size of the array, and so the most that one read receives.</summary>
    public const int Size = 256 * 1024;

    // With less room the loop takes another array.
    private const int LeastRoom = 64 * 1024;

    private int _users; // the loop, and the clients that keep bytes
    private bool _isForgotten;

    /// <summary>The array. Not null while somebody uses it.</summary>
    public byte[]? Array { get; private set; }

    /// <summary>Where the loop receives next.</summary>
    public int Start { get; private set; }

    public bool IsFull => Array!.Length - Start < LeastRoom;

    /// <summary>The loop begins to use it: an array of which clients keep bytes, or a new one.</summary>
    public void Take()
    {
        for (int users = Volatile.Read(ref _users); users > 0; users = Volatile.Read(ref _users))
            if (Interlocked.CompareExchange(ref _users, users + 1, users) == users)
                return;
        (Array, Start, _users) = (pool.Rent(Size), 0, 1);
    }

    /// <summary>Receives from the beginning again if no client keeps bytes.</summary>
    public void Rewind()
    {
        if (Volatile.Read(ref _users) == 1)
            Start = 0;
    }

    /// <summary>A client keeps the bytes that were received last.</summary>
    public void Keep(int count)
    {
        Start += count;
        Interlocked.Increment(ref _users);
    }

    /// <summary>The loop, or a client, needs it no longer.</summary>
    public void Release()
    {
        byte[] array = Array!; // the loop may take another one as soon as nobody uses this one
        if (Interlocked.Decrement(ref _users) == 0)
            pool.Return(array);
    }

    /// <summary>A client gives up its bytes without releasing them, because somebody may read them for ever. So the array never goes back to the pool.</summary>
    /// <returns>The size of the array; 0 if it was told before.</returns>
    public int Forget() => Interlocked.Exchange(ref _isForgotten, true) ? 0 : Array!.Length;
}
