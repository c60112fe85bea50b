using System.Buffers;
using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Numerics;
using System.Text;

namespace WebSocketServerKit.Transport.Proxies;

/// <summary>How far <see cref="ProxyHeaderParser"/> has come.</summary>
internal enum ProxyHeaderStatus
{
    /// <summary>What is there can be the beginning of a header.</summary>
    NeedMore,

    /// <summary>The header is complete.</summary>
    Complete,

    /// <summary>What is there is no header and cannot become one.</summary>
    Invalid,
}

/// <summary>
/// Parses the header with which a connection begins when a proxy speaks the PROXY protocol, version 1 (text) or 2 (binary), as its specification of 2020/03/05 has it.
/// </summary>
/// <remarks>
/// It keeps no state: each call is given all the input from the first byte of the connection on. The result does not depend on how the input is split. Nothing is allocated
/// before the header is complete. Input that fits no header is invalid from the first byte on that does not fit; only fields of text are checked when they are complete, apart from
/// their characters and their length.
/// </remarks>
internal static class ProxyHeaderParser
{
    /// <summary>The largest header of version 2, in bytes. Addresses and what proxies send with them need a few hundred.</summary>
    public const int MaxBytes = 4096;

    /// <summary>"If the CRLF sequence is not found in the first 107 characters, the receiver should declare the line invalid."</summary>
    private const int MaxLineBytes = 107;

    private const int FixedBytes = 16;

    /// <summary>The version with the command, and the family with the transport.</summary>
    private const int CommandAt = 12, FamilyAt = 13, LengthAt = 14;

    private const int UnixPathBytes = 108;

    private const int ValueHeadBytes = 3;
    private const byte ChecksumType = 0x03;
    private const byte PaddingType = 0x04;

    private const string NoHeader = "the connection does not begin with a PROXY header";
    private const string InvalidProtocol = "the PROXY header names a protocol other than TCP4, TCP6 and UNKNOWN";
    private const string InvalidAddress = "the PROXY header has an invalid address";
    private const string InvalidPort = "the PROXY header has an invalid port";
    private const string UnendedLine = "the PROXY header has no end of its line where one must be";
    private const string LongLine = "the PROXY header has a line of more than 107 bytes";
    private const string InvalidVersion = "the PROXY header has a version other than 1 and 2";
    private const string InvalidCommand = "the PROXY header has a command other than LOCAL and PROXY";
    private const string InvalidFamily = "the PROXY header has an unknown combination of address family and transport";
    private const string ShortAddresses = "the PROXY header is too short for its addresses";
    private const string CutValue = "the PROXY header has a value that is longer than the rest of the header";
    private const string InvalidChecksum = "the PROXY header has a wrong checksum";

    private static readonly string TooLong = string.Create(CultureInfo.InvariantCulture, $"the PROXY header has more than {MaxBytes} bytes");

    private static readonly SearchValues<byte> Digits = SearchValues.Create("0123456789"u8);
    private static readonly SearchValues<byte> Ipv4Bytes = SearchValues.Create("0123456789."u8);

    // With the dot, because IPv4 addresses in IPv6 form are commonly written as ::ffff:192.0.2.1.
    private static readonly SearchValues<byte> Ipv6Bytes = SearchValues.Create("0123456789ABCDEFabcdef:."u8);

    private static readonly UnixDomainSocketEndPoint AnyUnix = new("/");

    private static ReadOnlySpan<byte> Signature => "\r\n\r\n\0\r\nQUIT\n"u8;

    /// <summary>Parses the header at the beginning of the input.</summary>
    /// <param name="input">All that was received, from the first byte of the connection on.</param>
    /// <param name="consumed">The bytes of the complete header; what follows is the client's. 0 unless the header is complete.</param>
    /// <param name="header">The complete header, else null.</param>
    /// <param name="problem">What is wrong with an invalid header, as the end of a sentence; else null.</param>
    public static ProxyHeaderStatus Parse(in ReadOnlySequence<byte> input, out long consumed, out ProxyHeader? header, out string? problem)
    {
        consumed = 0;
        header = null;
        problem = null;
        Span<byte> start = stackalloc byte[MaxLineBytes];
        start = start[..(int)Math.Min(input.Length, MaxLineBytes)];
        input.Slice(0, start.Length).CopyTo(start);
        if (start is [(byte)'\r', ..])
            return ParseBinary(input, start, ref consumed, ref header, out problem);

        LineReader line = new(start);
        header = ReadLine(ref line);
        consumed = header is null ? 0 : line.Taken;
        problem = line.Problem;
        if (header is not null)
            return ProxyHeaderStatus.Complete;
        if (problem is null && start.Length == MaxLineBytes)
            problem = LongLine;
        return problem is null ? ProxyHeaderStatus.NeedMore : ProxyHeaderStatus.Invalid;
    }

    /// <summary>Reads a header of version 1. Null if there is not one yet, or none at all; then the reader has the problem.</summary>
    private static ProxyHeader? ReadLine(ref LineReader line)
    {
        if (!line.Take("PROXY "u8, NoHeader))
            return null;

        // "For "UNKNOWN", the rest of the line before the CRLF may be omitted by the sender, and the receiver must ignore anything presented before the CRLF is found."
        if (line.Next == 'U')
            return line.Take("UNKNOWN"u8, InvalidProtocol) && line.TakeRestOfLine(UnendedLine) ? new ProxyHeader(1, true, null, null, []) : null;

        if (!line.Take("TCP"u8, InvalidProtocol))
            return null;
        bool isIpv4 = line.Next == '4';
        if (!line.Take(isIpv4 ? "4 "u8 : "6 "u8, InvalidProtocol)
            || !line.TakeAddress(isIpv4, out IPAddress? source) || !line.TakeAddress(isIpv4, out IPAddress? destination)
            || !line.TakePort((byte)' ', out int sourcePort) || !line.TakePort((byte)'\r', out int destinationPort)
            || !line.Take("\n"u8, UnendedLine))
        {
            return null;
        }

        return new ProxyHeader(1, false, Shown(source!, sourcePort), Shown(destination!, destinationPort), []);
    }

    private static ProxyHeaderStatus ParseBinary(
        in ReadOnlySequence<byte> input, ReadOnlySpan<byte> start, ref long consumed, ref ProxyHeader? header, out string? problem)
    {
        problem = CheckFixedPart(start);
        if (problem is not null)
            return ProxyHeaderStatus.Invalid;
        if (start.Length < FixedBytes)
            return ProxyHeaderStatus.NeedMore;
        int length = FixedBytes + BinaryPrimitives.ReadUInt16BigEndian(start[LengthAt..]);
        if (input.Length < length)
            return ProxyHeaderStatus.NeedMore;

        // "The receiver must accept this connection as valid and must use the real connection endpoints and discard the protocol block including the family which is ignored."
        header = IsLocal(start) ? new ProxyHeader(2, true, null, null, []) : ReadBlock(input.Slice(0, length).ToArray(), out problem);
        if (header is null)
            return ProxyHeaderStatus.Invalid;
        consumed = length;
        return ProxyHeaderStatus.Complete;
    }

    /// <summary>Says what is wrong with as many of the first 16 bytes as are there.</summary>
    private static string? CheckFixedPart(ReadOnlySpan<byte> start)
    {
        int compared = Math.Min(start.Length, Signature.Length);
        if (!start[..compared].SequenceEqual(Signature[..compared]))
            return NoHeader;
        if (start.Length <= CommandAt)
            return null;

        // "The highest four bits contains the version. As of this specification, it must always be sent as \x2 and the receiver must only accept this value."
        if (start[CommandAt] >> 4 != 2)
            return InvalidVersion;

        // "other values are unassigned and must not be emitted by senders. Receivers must drop connections presenting unexpected values here."
        if ((start[CommandAt] & 0xF) > 1)
            return InvalidCommand;
        if (start.Length <= FamilyAt)
            return null;

        int addressBytes = IsLocal(start) ? 0 : AddressBytes(start[FamilyAt]);
        if (addressBytes < 0)
            return InvalidFamily;
        if (start.Length < FixedBytes)
            return null;

        int length = BinaryPrimitives.ReadUInt16BigEndian(start[LengthAt..]);
        if (FixedBytes + length > MaxBytes)
            return TooLong;
        return length < addressBytes ? ShortAddresses : null;
    }

    private static bool IsLocal(ReadOnlySpan<byte> start) => (start[CommandAt] & 0xF) == 0;

    /// <summary>How many bytes of addresses a header of this family has; negative if there is no such family, or if it is not known how long its addresses are.</summary>
    private static int AddressBytes(byte family) => family switch
    {
        0x00 or 0x01 or 0x02 => 0,
        0x11 or 0x12 => 2 * (4 + 2),
        0x21 or 0x22 => 2 * (16 + 2),
        0x31 or 0x32 => 2 * UnixPathBytes,
        _ => -1,
    };

    private static ProxyHeader? ReadBlock(byte[] bytes, out string? problem)
    {
        int addressBytes = AddressBytes(bytes[FamilyAt]);
        ReadOnlySpan<byte> addresses = bytes.AsSpan(FixedBytes, addressBytes);
        List<ProxyHeaderValue> values = [];
        problem = ReadValues(bytes, FixedBytes + addressBytes, values);
        if (problem is not null)
            return null;
        return new ProxyHeader(2, false, EndPointIn(addresses, 0), EndPointIn(addresses, 1), values.AsReadOnly());
    }

    private static string? ReadValues(byte[] bytes, int at, List<ProxyHeaderValue> values)
    {
        bool isChecked = false;
        while (at < bytes.Length)
        {
            if (bytes.Length - at < ValueHeadBytes)
                return CutValue;
            byte type = bytes[at];
            int length = BinaryPrimitives.ReadUInt16BigEndian(bytes.AsSpan(at + 1));
            at += ValueHeadBytes;
            if (bytes.Length - at < length)
                return CutValue;

            // A second checksum would have to be right with only itself as zeros, which no sender can mean.
            if (type == ChecksumType && (isChecked || !HasChecksum(bytes, at, length)))
                return InvalidChecksum;
            isChecked |= type == ChecksumType;

            // "The TLV of this type should be ignored when parsed."
            if (type != PaddingType)
                values.Add(new ProxyHeaderValue(type, bytes.AsMemory(at, length)));
            at += length;
        }

        return null;
    }

    // "replace the 32 bits of the checksum field in the received PROXY header with all '0's and calculate a CRC32c checksum value of the whole PROXY header."
    private static bool HasChecksum(ReadOnlySpan<byte> bytes, int at, int length)
    {
        if (length != sizeof(uint))
            return false;
        uint crc = Crc32C(uint.MaxValue, bytes[..at]);
        crc = Crc32C(crc, [0, 0, 0, 0]);
        crc = Crc32C(crc, bytes[(at + length)..]);
        return BinaryPrimitives.ReadUInt32BigEndian(bytes[at..]) == ~crc;
    }

    private static uint Crc32C(uint crc, ReadOnlySpan<byte> bytes)
    {
        foreach (byte value in bytes)
            crc = BitOperations.Crc32C(crc, value);
        return crc;
    }

    /// <summary>The source (0) or the destination (1): both addresses come first, then both ports.</summary>
    private static EndPoint? EndPointIn(ReadOnlySpan<byte> addresses, int index)
    {
        if (addresses.IsEmpty)
            return null;
        if (addresses.Length == 2 * UnixPathBytes)
            return UnixEndPoint(addresses.Slice(index * UnixPathBytes, UnixPathBytes));

        int size = addresses.Length / 2 - sizeof(ushort);
        return Shown(new IPAddress(addresses.Slice(index * size, size)), BinaryPrimitives.ReadUInt16BigEndian(addresses[(2 * size + index * sizeof(ushort))..]));
    }

    /// <summary>A path ends before the first NUL. An abstract name begins with one, and no NUL is at its end here. A socket without a name has NULs only.</summary>
    private static EndPoint UnixEndPoint(ReadOnlySpan<byte> path)
    {
        path = path[0] == 0 ? path.TrimEnd((byte)0) : path[..(path.IndexOf((byte)0) is >= 0 and var end ? end : path.Length)];

        // The constructor refuses empty paths and long ones; what the system gives for a connected socket has either.
        SocketAddress address = new(AddressFamily.Unix, sizeof(ushort) + path.Length);
        path.CopyTo(address.Buffer.Span[sizeof(ushort)..]);
        return AnyUnix.Create(address);
    }

    private static EndPoint Shown(IPAddress address, int port) => EndPointAddress.Shown(new IPEndPoint(address, port));

    /// <summary>
    /// Takes the fields of a line one after the other. A method that returns false has set <see cref="Problem"/>, or else the input ended where it fits so far.
    /// </summary>
    private ref struct LineReader(ReadOnlySpan<byte> start)
    {
        private const int LongestIpv4 = 15, LongestIpv6 = 45, LongestPort = 5;

        private ReadOnlySpan<byte> _rest = start;

        /// <summary>How many bytes were taken.</summary>
        public int Taken { get; private set; }

        public string? Problem { get; private set; }

        /// <summary>The next byte, or 0 at the end of the input.</summary>
        public readonly byte Next => _rest.IsEmpty ? (byte)0 : _rest[0];

        public bool Take(ReadOnlySpan<byte> text, string otherwise)
        {
            int compared = Math.Min(text.Length, _rest.Length);
            if (!_rest[..compared].SequenceEqual(text[..compared]))
                return Fail(otherwise);
            if (compared < text.Length)
                return false;
            Skip(text.Length);
            return true;
        }

        public bool TakeRestOfLine(string otherwise)
        {
            if (Next != ' ')
                return Take("\r\n"u8, otherwise);
            int end = _rest.IndexOf("\r\n"u8);
            if (end >= 0)
                Skip(end + 2);
            return end >= 0;
        }

        public bool TakeAddress(bool isIpv4, out IPAddress? address)
        {
            address = null;
            if (!TakeField(isIpv4 ? Ipv4Bytes : Ipv6Bytes, isIpv4 ? LongestIpv4 : LongestIpv6, (byte)' ', InvalidAddress, out ReadOnlySpan<byte> field))
                return false;

            string text = Encoding.ASCII.GetString(field);
            bool isAddress = isIpv4 ? IsIpv4(text, out address) : IPAddress.TryParse(text, out address) && IsIpv6(text);
            return isAddress || Fail(InvalidAddress);
        }

        // "Heading zeroes are not permitted in front of numbers in order to avoid any possible confusion with octal numbers."
        // IPAddress accepts them in an IPv4 address, and writes none.
        private static bool IsIpv4(string text, out IPAddress? address) => IPAddress.TryParse(text, out address) && address.ToString() == text;

        private static bool IsIpv6(string text)
        {
            int lastPart = text.LastIndexOf(':') + 1;
            return lastPart > 0 && (!text.Contains('.', StringComparison.Ordinal) || IsIpv4(text[lastPart..], out _));
        }

        public bool TakePort(byte end, out int port)
        {
            port = 0;
            if (!TakeField(Digits, LongestPort, end, InvalidPort, out ReadOnlySpan<byte> field))
                return false;
            port = field.Length > 0 && !(field.Length > 1 && field[0] == '0') ? int.Parse(field, NumberStyles.None, CultureInfo.InvariantCulture) : -1;
            return port is >= 0 and <= ushort.MaxValue || Fail(InvalidPort);
        }

        private bool TakeField(SearchValues<byte> allowed, int longest, byte end, string otherwise, out ReadOnlySpan<byte> field)
        {
            int length = _rest.IndexOfAnyExcept(allowed);
            field = _rest[..Math.Max(length, 0)];
            if ((length < 0 ? _rest.Length : length) > longest)
                return Fail(otherwise);
            if (length < 0)
                return false;
            if (_rest[length] != end)
                return Fail(otherwise);
            Skip(length + 1);
            return true;
        }

        private void Skip(int count)
        {
            _rest = _rest[count..];
            Taken += count;
        }

        private bool Fail(string problem)
        {
            Problem = problem;
            return false;
        }
    }
}
