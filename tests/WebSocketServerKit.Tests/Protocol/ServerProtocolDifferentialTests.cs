using System.Buffers;
using System.Buffers.Binary;
using System.Net.WebSockets;
using System.Text;

namespace WebSocketServerKit.Protocol;

/// <summary>
/// <see cref="ServerProtocol"/> and the server side of <see cref="WebSocket.CreateFromStream(Stream, WebSocketCreationOptions)"/> read the same bytes:
/// frames of random messages, most of them then damaged. They agree on every message and on how it ends, or the difference is argued in <see cref="IsArgued"/>.
/// </summary>
public class ServerProtocolDifferentialTests
{
    private const int CasesPerSeed = 250;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    public async Task Agrees_with_the_framework(int seed)
    {
        Random random = new(seed);
        Dictionary<Ending, int> endings = [];
        int messages = 0;
        for (int i = 0; i < CasesPerSeed; i++)
        {
            byte[] bytes = Frames(random);
            // One case in three stays as it is.
            for (int damages = random.Next(3); damages > 0; damages--)
                bytes = Damaged(bytes, random);

            Reading ours = ReadWithServerProtocol(bytes, random);
            Reading theirs = await ReadWithFrameworkAsync(bytes);
            // See IsArgued: where a length is not minimal, the framework reads on.
            IEnumerable<string> theirMessages = ours.Violation == ProtocolViolation.LengthNotMinimal ? theirs.Messages.Take(ours.Messages.Count) : theirs.Messages;
            Assert.True(ours.Messages.SequenceEqual(theirMessages, StringComparer.Ordinal), $"case {i}: messages of {Convert.ToHexString(bytes)}");
            Assert.True(ours.SameEnding(theirs) || IsArgued(ours, theirs), $"case {i}: ours {ours}, theirs {theirs}: {Convert.ToHexString(bytes)}");
            endings[ours.Ending] = endings.GetValueOrDefault(ours.Ending) + 1;
            messages += ours.Messages.Count;
        }

        // The comparison is worth something only where all of it happens.
        Assert.True(messages > CasesPerSeed);
        Assert.All(Enum.GetValues<Ending>(), ending => Assert.True(endings.GetValueOrDefault(ending) > CasesPerSeed / 50, ending.ToString()));
    }

    private static bool IsArgued(Reading ours, Reading theirs) => ours.Violation switch
    {
        // RFC 6455 5.2: "in all cases, the minimal number of bytes MUST be used to encode the length". The framework lets it pass, and reads on.
        ProtocolViolation.LengthNotMinimal => true,
        // We refuse a declared length above the limit, or above 2^63 - 1, from the header; the framework has no limit and waits for the payload, or for the
        // rest of the header.
        ProtocolViolation.MessageTooBig or ProtocolViolation.LengthTooLarge => theirs.Ending == Ending.Incomplete,
        ProtocolViolation.None => ours.Ending == Ending.Closed && (IsRegisteredSince(ours, theirs) || HasNoCode(ours, theirs)),
        // We refuse with the first wrong byte; the framework reads the frame's header to its end, and a text up to what it can decode, before it judges.
        _ => theirs.Ending == Ending.Incomplete,
    };

    // 1012 to 1014 were registered after RFC 6455 (7.4.2 says how); the framework knows only those of the RFC itself.
    private static bool IsRegisteredSince(Reading ours, Reading theirs) => theirs.Ending == Ending.Refused && (int?)ours.CloseCode is >= 1012 and <= 1014;

    // 7.1.5: "If this Close control frame contains no status code, _The WebSocket Connection Close Code_ is considered to be 1005." The framework says 1000.
    private static bool HasNoCode(Reading ours, Reading theirs) =>
        ours.CloseCode == WebSocketCloseStatus.Empty && theirs.CloseCode == WebSocketCloseStatus.NormalClosure && theirs.CloseReason is "";

    private static Reading ReadWithServerProtocol(byte[] bytes, Random random)
    {
        ServerProtocol protocol = new(maxMessageSize: 1024 * 1024, maxFragments: 1_000, ArrayPool<byte>.Shared);
        List<string> messages = [];
        Ending ending = Ending.Incomplete;
        for (int begin = 0; begin < bytes.Length;)
        {
            int end = Math.Min(bytes.Length, begin + random.Next(1, 300));
            Memory<byte> rest = bytes.AsSpan(begin, end - begin).ToArray(); // a copy, for payloads are unmasked where they lie
            begin = end;
            while (protocol.Step(ref rest) is var found and not ProtocolEvent.None)
            {
                if (found == ProtocolEvent.Message)
                    messages.Add($"{protocol.MessageType} {Convert.ToHexString(protocol.Payload.Span)}");
                else if (found == ProtocolEvent.Close)
                    ending = Ending.Closed;
                else if (found == ProtocolEvent.Violation)
                    ending = Ending.Refused;
                protocol.ReleasePayload();
            }
        }

        protocol.Release();
        return ending == Ending.Closed
            ? new Reading(messages, ending, (WebSocketCloseStatus)protocol.CloseCode.Value, protocol.CloseReason, ProtocolViolation.None)
            : new Reading(messages, ending, null, null, protocol.Violation);
    }

    private static async Task<Reading> ReadWithFrameworkAsync(byte[] bytes)
    {
        using WebSocket socket = WebSocket.CreateFromStream(new ReplayStream(bytes), new WebSocketCreationOptions { IsServer = true, KeepAliveInterval = TimeSpan.Zero });
        List<string> messages = [];
        ArrayBufferWriter<byte> message = new();
        byte[] buffer = new byte[4096];
        while (true)
        {
            WebSocketReceiveResult result;
            try
            {
                result = await socket.ReceiveAsync(buffer, TestContext.Current.CancellationToken);
            }
            catch (WebSocketException exception)
            {
                bool incomplete = exception.WebSocketErrorCode == WebSocketError.ConnectionClosedPrematurely;
                return new Reading(messages, incomplete ? Ending.Incomplete : Ending.Refused, null, null, ProtocolViolation.None);
            }

            if (result.MessageType == WebSocketMessageType.Close)
                return new Reading(messages, Ending.Closed, result.CloseStatus, result.CloseStatusDescription ?? "", ProtocolViolation.None);
            message.Write(buffer.AsSpan(0, result.Count));
            if (!result.EndOfMessage)
                continue;
            messages.Add($"{result.MessageType} {Convert.ToHexString(message.WrittenSpan)}");
            message.ResetWrittenCount();
        }
    }

    private static byte[] Frames(Random random)
    {
        using MemoryStream frames = new();
        for (int messages = random.Next(1, 6); messages > 0; messages--)
        {
            bool text = random.Next(2) == 0;
            byte[] payload = text ? Encoding.UTF8.GetBytes(RandomText(random)) : RandomBytes(random, random.Next(4) == 0 ? 70_000 : 300);
            int fragments = random.Next(3) == 0 ? random.Next(2, 5) : 1;
            int sent = 0;
            for (int fragment = 0; fragment < fragments; fragment++)
            {
                if (random.Next(4) == 0)
                    WriteFrame(frames, random, random.Next(2) == 0 ? 0x89 : 0x8A, RandomBytes(random, 126));
                int end = fragment == fragments - 1 ? payload.Length : random.Next(sent, payload.Length + 1);
                int opcode = fragment > 0 ? 0 : text ? 1 : 2;
                WriteFrame(frames, random, opcode | (fragment == fragments - 1 ? 0x80 : 0), payload.AsSpan(sent, end - sent));
                sent = end;
            }
        }

        if (random.Next(2) == 0)
        {
            int[] codes = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 4999, 999, 1004, 1005, 1006, 1015, 2999, 5000];
            byte[] payload = [0, 0, .. "bye \u20AC"u8];
            BinaryPrimitives.WriteUInt16BigEndian(payload, (ushort)codes[random.Next(codes.Length)]);
            WriteFrame(frames, random, 0x88, random.Next(4) == 0 ? [] : payload);
        }

        return frames.ToArray();
    }

    private static void WriteFrame(MemoryStream frames, Random random, int first, ReadOnlySpan<byte> payload)
    {
        Span<byte> header = stackalloc byte[14];
        header[0] = (byte)first;
        int size = payload.Length < 126 ? 2 : payload.Length <= ushort.MaxValue ? 4 : 10;
        header[1] = (byte)(0x80 | (size == 2 ? payload.Length : size == 4 ? 126 : 127));
        if (size == 4)
            BinaryPrimitives.WriteUInt16BigEndian(header[2..], (ushort)payload.Length);
        else if (size == 10)
            BinaryPrimitives.WriteInt64BigEndian(header[2..], payload.Length);
        Span<byte> key = header.Slice(size, 4);
        random.NextBytes(key);
        frames.Write(header[..(size + 4)]);
        for (int i = 0; i < payload.Length; i++)
            frames.WriteByte((byte)(payload[i] ^ key[i % 4]));
    }

    private static byte[] Damaged(byte[] bytes, Random random)
    {
        if (bytes.Length == 0)
            return bytes;
        // Half of the damage goes to the front, where headers are.
        int at = random.Next(2) == 0 ? random.Next(Math.Min(bytes.Length, 12)) : random.Next(bytes.Length);
        switch (random.Next(5))
        {
            case 0:
                return bytes[..at];
            case 1:
                return [.. bytes[..at], .. bytes[(at + 1)..]];
            case 2:
                return [.. bytes[..at], (byte)random.Next(256), .. bytes[at..]];
            case 3:
                bytes[at] ^= (byte)(1 << random.Next(8));
                return bytes;
            default:
                bytes[at] = (byte)random.Next(256);
                return bytes;
        }
    }

    private static string RandomText(Random random) =>
        string.Concat(Enumerable.Range(0, random.Next(80)).Select(_ => random.Next(4) switch { 0 => "a", 1 => "\u00FC", 2 => "\u20AC", _ => "\U0001F600" }));

    private static byte[] RandomBytes(Random random, int below)
    {
        byte[] bytes = new byte[random.Next(below)];
        random.NextBytes(bytes);
        return bytes;
    }

    private enum Ending
    {
        Incomplete,
        Closed,
        Refused,
    }

    private sealed record Reading(List<string> Messages, Ending Ending, WebSocketCloseStatus? CloseCode, string? CloseReason, ProtocolViolation Violation)
    {
        public bool SameEnding(Reading other) => Ending == other.Ending && CloseCode == other.CloseCode && CloseReason == other.CloseReason;

        public override string ToString() => $"{Ending} {CloseCode} {Violation} after {Messages.Count}";
    }

    /// <summary>Gives the bytes, then the end; takes whatever is written.</summary>
    private sealed class ReplayStream(byte[] bytes) : MemoryStream(bytes, writable: false)
    {
        public override bool CanWrite => true;

        public override void Write(ReadOnlySpan<byte> buffer)
        {
        }

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) => default;

        public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
