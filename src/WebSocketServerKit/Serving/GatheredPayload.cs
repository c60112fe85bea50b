using System.Buffers;

namespace WebSocketServerKit.Serving;

/// <summary>The bytes of a sequence in one piece: its own if it has one segment, otherwise a pooled copy.</summary>
internal readonly ref struct GatheredPayload
{
    private readonly byte[]? _copy;

    public GatheredPayload(in ReadOnlySequence<byte> payload)
    {
        if (payload.IsSingleSegment)
        {
            Span = payload.FirstSpan;
            return;
        }

        if (payload.Length > Array.MaxLength)
            throw new ArgumentException($"The payload has {payload.Length} bytes; one message has {Array.MaxLength} at most. Send it as a stream.", nameof(payload));
        _copy = ArrayPool<byte>.Shared.Rent((int)payload.Length);
        payload.CopyTo(_copy);
        Span = _copy.AsSpan(0, (int)payload.Length);
    }

    public ReadOnlySpan<byte> Span { get; }

    public void Dispose()
    {
        if (_copy is not null)
            ArrayPool<byte>.Shared.Return(_copy);
    }
}
