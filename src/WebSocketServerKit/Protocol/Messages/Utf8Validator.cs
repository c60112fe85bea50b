using System.Buffers;
using System.Text;
using System.Text.Unicode;

namespace WebSocketServerKit.Protocol.Messages;

/// <summary>Checks UTF-8 that comes in pieces cut anywhere, and fails in the piece that has the first bad byte (RFC 6455 8.1).</summary>
internal struct Utf8Validator
{
    // The bytes of a character that the last piece left unfinished, first byte lowest. A prefix of some valid character.
    private uint _begun;
    private int _begunCount; // 0 to 3

    /// <summary>False as soon as what came so far can no longer become valid UTF-8, however it goes on.</summary>
    public bool Accepts(ReadOnlySpan<byte> piece)
    {
        if (_begunCount > 0 && !AcceptsRestOfCharacter(ref piece))
            return false;

        int whole = piece.Length - UnfinishedTail(piece);
        if (!Utf8.IsValid(piece[..whole]))
            return false;
        for (int i = whole; i < piece.Length; i++)
            Keep(piece[i]);
        return true;
    }

    /// <summary>True when no character is left unfinished; begins anew.</summary>
    public bool EndsHere()
    {
        bool ends = _begunCount == 0;
        this = default;
        return ends;
    }

    private bool AcceptsRestOfCharacter(ref ReadOnlySpan<byte> piece)
    {
        Span<byte> character = stackalloc byte[4];
        while (!piece.IsEmpty)
        {
            Keep(piece[0]);
            piece = piece[1..];
            for (int i = 0; i < _begunCount; i++)
                character[i] = (byte)(_begun >> (8 * i));

            OperationStatus status = Rune.DecodeFromUtf8(character[.._begunCount], out _, out _);
            if (status == OperationStatus.NeedMoreData)
                continue;
            this = default;
            return status == OperationStatus.Done;
        }

        return true;
    }

    // How many bytes at the end are a character that has begun well: 0 to 3.
    private static int UnfinishedTail(ReadOnlySpan<byte> piece)
    {
        for (int count = 1; count <= Math.Min(3, piece.Length); count++)
        {
            byte octet = piece[^count];
            if (octet < 0x80)
                return 0;
            if (octet >= 0xC0) // a first byte: what it begins is either whole, wrong, or unfinished
                return Rune.DecodeFromUtf8(piece[^count..], out _, out _) == OperationStatus.NeedMoreData ? count : 0;
        }

        return 0;
    }

    private void Keep(byte octet) => _begun |= (uint)octet << (8 * _begunCount++);
}
