using System.Buffers;
using System.Diagnostics;
using System.IO.Pipelines;
using System.Net.Security;
using System.Runtime.CompilerServices;

namespace WebSocketServerKit.Transport.Tls;

/// <summary>
/// The decrypted input of a TLS connection. It waits with the connection's own wait until a complete record has arrived, so that an idle client holds no buffer, neither here nor in the
/// <see cref="SslStream"/>.
/// </summary>
/// <remarks>One reader at a time.</remarks>
internal sealed class TlsInput(TransportConnection connection, SslStream stream, CipherStream cipher, ArrayPool<byte> pool) : TransportInput
{
    private const int SmallestBuffer = 4 * 1024;

    // A read hands out the records that are there, up to this size. A larger buffer does not make large messages faster.
    private const int LargestRead = 64 * 1024;

    private Task? _waiting;   // for the connection's next bytes, begun by TryReceive
    private AheadBuffer _ahead; // decrypted by TryReceive, and not taken yet

    public override int HeldBytes => base.HeldBytes + _ahead.HeldBytes;

    /// <summary>Decrypts bytes that have arrived, without waiting. They do not go through the buffer, which may hold a payload that handlers are using.</summary>
    /// <exception cref="IOException">The connection is lost.</exception>
    public int TryReceive(Span<byte> destination, out bool ended)
    {
        while (_ahead.IsEmpty && !HasEnded)
        {
            if (TryFindRecord(out int size))
                DecryptAhead(size);
            else if (!HasEnded && !TryEndWait())
                break;
        }

        int count = _ahead.Take(destination, pool);
        ended = HasEnded && _ahead.IsEmpty;
        return count;
    }

    /// <summary>Returns all buffers. A wait that <see cref="TryReceive"/> has begun must have ended.</summary>
    public override void Complete(Exception? exception = null)
    {
        Debug.Assert(_waiting is null or { IsCompleted: true }, "The connection is not closed.");
        base.Complete(exception);
        _ahead.Release(pool);
    }

    /// <summary>Completes when no wait is pending. Never fails.</summary>
    public async Task WhenNotWaiting()
    {
        if (_waiting is { } waiting)
            await waiting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    // An idle connection waits here: keep no locals across the await.
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    protected override async ValueTask ReceiveAsync()
    {
        while (!TryDecrypt())
        {
            if (IsEmpty)
                ReleaseBuffer();
            if (_waiting is not null)
                await TakeWait().ConfigureAwait(false);
            else
                await connection.WaitToReadAsync().ConfigureAwait(false);
        }
    }

    protected override byte[] Rent(int minimumLength) => pool.Rent(minimumLength);

    protected override void Return(byte[] buffer) => pool.Return(buffer);

    private bool TryDecrypt()
    {
        if (!_ahead.IsEmpty)
        {
            MakeRoom(_ahead.Count, SmallestBuffer);
            Received(_ahead.Take(Free.Span, pool));
        }

        int decrypted = 0;
        while (decrypted < LargestRead && TryFindRecord(out int size))
        {
            MakeRoom(size, SmallestBuffer);
            int count = Decrypt(Free);
            Received(count);
            decrypted += count;
        }

        return IsAvailable;
    }

    // Whether a complete record has arrived. Finds the end of the input too.
    private bool TryFindRecord(out int size)
    {
        size = 0;
        if (HasEnded || !connection.Input.TryRead(out ReadResult read))
            return false;
        size = TlsRecord.CompleteSize(read.Buffer);
        if (size > 0)
        {
            connection.Input.AdvanceTo(read.Buffer.Start);
            return true;
        }

        // Some peers end their side without close_notify. WebSocket's Close frame tells whether anything is missing.
        HasEnded = read.IsCompleted && read.Buffer.IsEmpty;
        if (read.IsCompleted && !HasEnded)
            throw TransportErrors.ConnectionLost(new EndOfStreamException("the peer ended it in the middle of a TLS record"));
        connection.Input.AdvanceTo(read.Buffer.Start, read.Buffer.End);
        return false;
    }

    // Decrypts the next record; 0 if it has nothing for us, such as a new key. The space is larger than the record, so the SslStream keeps nothing.
    private int Decrypt(Memory<byte> space)
    {
        try
        {
            ValueTask<int> read = stream.ReadAsync(space);
            Debug.Assert(read.IsCompleted, "CipherStream does not wait.");
            int count = read.GetAwaiter().GetResult();
            HasEnded = count == 0; // close_notify
            cipher.HadData();
            return count;
        }
        catch (CipherStream.NothingToReadException)
        {
            return 0; // the record was for TLS itself
        }
        catch (Exception failure)
        {
            throw TransportErrors.ConnectionLost(failure is IOException { InnerException: { } inner } ? inner : failure);
        }
    }

    private void DecryptAhead(int size)
    {
        int count = 0;
        try
        {
            count = Decrypt(_ahead.Rent(size, pool));
        }
        finally
        {
            _ahead.Received(count, pool);
        }
    }

    // Whether the connection has received more since the last look. Begins a wait if there is none.
    private bool TryEndWait()
    {
        _waiting ??= connection.WaitToReadAsync().AsTask();
        if (!_waiting.IsCompleted)
            return false;
        TakeWait().GetAwaiter().GetResult();
        return true;
    }

    private Task TakeWait()
    {
        Task waiting = _waiting!;
        _waiting = null;
        return waiting;
    }
}
