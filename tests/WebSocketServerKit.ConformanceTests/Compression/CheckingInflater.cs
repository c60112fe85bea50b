namespace WebSocketServerKit.Conformance.Compression;

/// <summary>
/// Inflates what the server compressed (RFC 1951, RFC 7692 7.2.2) and holds it against what was agreed: no reference goes back further than the window, nor, without
/// context takeover, beyond the beginning of the message. <see cref="InvalidDataException"/> for everything else.
/// </summary>
internal sealed class CheckingInflater(int windowBits = 15, bool contextTakeover = true)
{
    private const int MaxWindow = 1 << 15;
    private const int MaxCodeLength = 15;
    private const int EndOfBlock = 256;

    // RFC 1951 3.2.5: the lengths of the symbols from 257 on, and the distances; each with how many bits more follow.
    private static readonly int[] LengthBits = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
    private static readonly int[] DistanceBits = [0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13];
    private static readonly int[] Lengths = [.. Bases(LengthBits, 3)[..^1], 258];
    private static readonly int[] Distances = Bases(DistanceBits, 1);

    // RFC 1951 3.2.7: the order in which the code lengths of the code lengths stand.
    private static readonly int[] CodeLengthOrder = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

    // RFC 1951 3.2.6
    private static readonly int[] FixedLiterals = Table(
        [.. Enumerable.Repeat(8, 144), .. Enumerable.Repeat(9, 112), .. Enumerable.Repeat(7, 24), .. Enumerable.Repeat(8, 8)]);
    private static readonly int[] FixedDistances = Table([.. Enumerable.Repeat(5, 30)]);

    private byte[] _input = [];
    private int _at; // in bits
    private byte[] _output = new byte[4 * MaxWindow]; // what may be referred to, and behind it the message
    private int _length;

    public byte[] Inflate(ReadOnlySpan<byte> payload)
    {
        // 7.2.2: "Append 4 octets of 0x00 0x00 0xff 0xff to the tail end of the payload of the message." Peeking looks at up to three more.
        _input = [.. payload, 0x00, 0x00, 0xFF, 0xFF, 0, 0, 0];
        _at = 0;
        if (!contextTakeover)
            _length = 0;
        int began = _length;
        int end = 8 * (payload.Length + 4);
        while (_at < end)
            InflateBlock();
        Require(_at == end, "the last block goes on behind the message");

        byte[] message = _output[began.._length];
        int kept = Math.Min(_length, MaxWindow);
        _output.AsSpan(_length - kept, kept).CopyTo(_output);
        _length = kept;
        return message;
    }

    private void InflateBlock()
    {
        Require(Bits(1) == 0, "a block is the last one of all");
        switch (Bits(2))
        {
            case 0:
                CopyStored();
                break;
            case 1:
                InflateSymbols(FixedLiterals, FixedDistances);
                break;
            case 2:
                (int[] literals, int[] distances) = ReadTables();
                InflateSymbols(literals, distances);
                break;
            default:
                throw new InvalidDataException("There is no such type of block.");
        }
    }

    private void CopyStored()
    {
        _at = (_at + 7) & ~7;
        int length = Bits(16);
        Require((length ^ Bits(16)) == 0xFFFF, "a stored block has two lengths");
        for (; length > 0; length--)
            Append((byte)Bits(8));
    }

    private (int[] Literals, int[] Distances) ReadTables()
    {
        int literals = Bits(5) + 257, distances = Bits(5) + 1, codeLengths = Bits(4) + 4;
        int[] lengths = new int[19];
        for (int i = 0; i < codeLengths; i++)
            lengths[CodeLengthOrder[i]] = Bits(3);
        int[] table = Table(lengths);

        List<int> all = [];
        while (all.Count < literals + distances)
        {
            int symbol = Symbol(table);
            Require(symbol != 16 || all.Count > 0, "there is no length to repeat");
            (int length, int times) = symbol switch
            {
                16 => (all[^1], 3 + Bits(2)),
                17 => (0, 3 + Bits(3)),
                18 => (0, 11 + Bits(7)),
                _ => (symbol, 1),
            };
            all.AddRange(Enumerable.Repeat(length, times));
        }

        Require(all.Count == literals + distances, "there are more code lengths than symbols");
        return (Table([.. all[..literals]]), Table([.. all[literals..]]));
    }

    private void InflateSymbols(int[] literals, int[] distances)
    {
        for (int symbol = Symbol(literals); symbol != EndOfBlock; symbol = Symbol(literals))
        {
            if (symbol < EndOfBlock)
            {
                Append((byte)symbol);
                continue;
            }

            Require(symbol - 257 < Lengths.Length, "there is no such length");
            int length = Lengths[symbol - 257] + Bits(LengthBits[symbol - 257]);
            int code = Symbol(distances);
            Require(code < Distances.Length, "there is no such distance");
            int distance = Distances[code] + Bits(DistanceBits[code]);
            Require(distance <= 1 << windowBits, $"a reference goes {distance} bytes back, beyond the window");
            Require(distance <= _length, "a reference goes back beyond the beginning");
            for (; length > 0; length--)
                Append(_output[_length - distance]);
        }
    }

    private void Append(byte value)
    {
        if (_length == _output.Length)
            Array.Resize(ref _output, 2 * _length);
        _output[_length++] = value;
    }

    private int Symbol(int[] table)
    {
        int entry = table[Peek() & (table.Length - 1)];
        Require(entry != 0, "there is no such code");
        _at += entry & 0xF;
        return entry >> 4;
    }

    private int Bits(int count)
    {
        int bits = Peek() & ((1 << count) - 1);
        _at += count;
        return bits;
    }

    // The next 17 bits at least.
    private int Peek()
    {
        int octet = _at >> 3;
        Require(octet + 2 < _input.Length, "the message ends within a block");
        return (_input[octet] | _input[octet + 1] << 8 | _input[octet + 2] << 16) >> (_at & 7);
    }

    // RFC 1951 3.2.2: from the next bits to the symbol, 16 times it, and how many of the bits it takes; 0 where there is none.
    private static int[] Table(ReadOnlySpan<int> codeLengths)
    {
        int[] table = new int[1 << MaxCodeLength];
        int code = 0;
        for (int length = 1; length <= MaxCodeLength; length++, code <<= 1)
        {
            for (int symbol = 0; symbol < codeLengths.Length; symbol++)
            {
                if (codeLengths[symbol] != length)
                    continue;
                Require(code < 1 << length, "there are more codes than fit");
                int first = 0;
                for (int bit = 0; bit < length; bit++)
                    first |= (code >> bit & 1) << (length - 1 - bit);
                for (int i = first; i < table.Length; i += 1 << length)
                    table[i] = symbol << 4 | length;
                code++;
            }
        }

        return table;
    }

    private static int[] Bases(int[] bits, int first)
    {
        int[] bases = new int[bits.Length];
        for (int i = 0, next = first; i < bases.Length; next += 1 << bits[i++])
            bases[i] = next;
        return bases;
    }

    private static void Require(bool holds, string complaint)
    {
        if (!holds)
            throw new InvalidDataException($"The compressed message is broken: {complaint}.");
    }
}
