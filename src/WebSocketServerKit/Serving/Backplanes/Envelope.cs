using System.Buffers;
using System.Diagnostics.CodeAnalysis;

namespace WebSocketServerKit.Serving.Backplanes;

/// <summary>What a message between servers asks for.</summary>
internal enum EnvelopeKind : byte
{
    /// <summary>Send the payload to the clients of the selection.</summary>
    Message = 1,

    /// <summary>Close them; the payload is that of the Close frame.</summary>
    Close = 2,

    /// <summary>Reset their connections.</summary>
    Abort = 3,

    /// <summary>Let them join the group of the key.</summary>
    Join = 4,

    /// <summary>Let them leave it.</summary>
    Leave = 5,

    /// <summary>What became of a message that asked for it; the payload is a <see cref="BroadcastResult"/>.</summary>
    Reply = 6,
}

/// <summary>How a message is to be sent.</summary>
[Flags]
internal enum EnvelopeFlags : byte
{
    None = 0,

    /// <summary>A text message; else a binary one.</summary>
    Text = 1,

    /// <summary>It must not be compressed.</summary>
    Uncompressed = 2,

    /// <summary>It is the newest value of the key.</summary>
    Latest = 4,
}

/// <summary>
/// A message between servers: version, kind, flags, request, sender, selection, key, extension, payload. Numbers are in LEB128; the parts from the sender on, but for the payload, have their length in front.
/// <para>A server of a later version adds to the extension what older ones may ignore, and raises the version for what they must not: then they drop the message.</para>
/// </summary>
internal readonly record struct Envelope
{
    /// <summary>The version that is written, and the only one that is read.</summary>
    public const byte Version = 1;

    public EnvelopeKind Kind { get; init; }

    public EnvelopeFlags Flags { get; init; }

    /// <summary>Not 0 if the sender waits for a reply, and in that reply.</summary>
    public ulong Request { get; init; }

    /// <summary>The <see cref="WebSocketServer.NodeId"/> of the sender.</summary>
    public string Sender { get; init; }

    /// <summary>For which clients: see <see cref="SelectionDescription"/>.</summary>
    public ReadOnlyMemory<byte> Selection { get; init; }

    /// <summary>The group, or the key of <see cref="EnvelopeFlags.Latest"/>; else empty.</summary>
    public string Key { get; init; }

    public ReadOnlyMemory<byte> Payload { get; init; }

    /// <summary>Writes it.</summary>
    /// <param name="payload">In place of <see cref="Payload"/>.</param>
    public byte[] Write(ReadOnlySpan<byte> payload)
    {
        int sender = NameEncoding.SizeOf(Sender), key = NameEncoding.SizeOf(Key);
        byte[] bytes = new byte[
            3 + Leb128.SizeOf(Request) + Leb128.SizeOf((ulong)sender) + sender + Leb128.SizeOf((ulong)Selection.Length) + Selection.Length + Leb128.SizeOf((ulong)key) + key + 1 + payload.Length];
        bytes[0] = Version;
        bytes[1] = (byte)Kind;
        bytes[2] = (byte)Flags;
        Span<byte> left = bytes.AsSpan(3);
        Leb128.Write(ref left, Request);
        Leb128.Write(ref left, (ulong)sender);
        left = left[NameEncoding.Write(Sender, left)..];
        Leb128.Write(ref left, (ulong)Selection.Length);
        Selection.Span.CopyTo(left);
        left = left[Selection.Length..];
        Leb128.Write(ref left, (ulong)key);
        left = left[NameEncoding.Write(Key, left)..];
        Leb128.Write(ref left, 0);
        payload.CopyTo(left);
        return bytes;
    }

    /// <summary>Reads one. False if it is of another version, or damaged; <paramref name="problem"/> tells which.</summary>
    public static bool TryRead(ReadOnlyMemory<byte> bytes, out Envelope envelope, [NotNullWhen(false)] out string? problem)
    {
        envelope = default;
        if (bytes.Length < 3 || bytes.Span[0] != Version)
        {
            problem = bytes.Length < 3 ? "it is cut off" : $"it is of version {bytes.Span[0]}, and this server knows version {Version}";
            return false;
        }

        ReadOnlyMemory<byte> left = bytes[3..];
        if (!Leb128.TryRead(ref left, out ulong request)
            || !Leb128.TryReadPart(ref left, out ReadOnlyMemory<byte> sender)
            || !Leb128.TryReadPart(ref left, out ReadOnlyMemory<byte> selection)
            || !Leb128.TryReadPart(ref left, out ReadOnlyMemory<byte> key)
            || !Leb128.TryReadPart(ref left, out _))
        {
            problem = "it is cut off";
            return false;
        }

        problem = null;
        envelope = new Envelope
        {
            Kind = (EnvelopeKind)bytes.Span[1],
            Flags = (EnvelopeFlags)bytes.Span[2],
            Request = request,
            Sender = NameEncoding.Read(sender.Span),
            Selection = selection,
            Key = NameEncoding.Read(key.Span),
            Payload = left,
        };
        return true;
    }

    /// <summary>The payload of a <see cref="EnvelopeKind.Reply"/>.</summary>
    public static byte[] WriteResult(BroadcastResult result)
    {
        ArrayBufferWriter<byte> bytes = new(8);
        foreach (int count in (ReadOnlySpan<int>)[result.Sent, result.Queued, result.Replaced, result.Dropped, result.Closed])
            Leb128.Write(bytes, (ulong)count);
        return bytes.WrittenSpan.ToArray();
    }

    /// <summary>Reads the payload of a <see cref="EnvelopeKind.Reply"/>.</summary>
    public static bool TryReadResult(ReadOnlyMemory<byte> bytes, out BroadcastResult result)
    {
        Span<int> counts = stackalloc int[5];
        result = default;
        foreach (ref int count in counts)
        {
            if (!Leb128.TryRead(ref bytes, out ulong value) || value > int.MaxValue)
                return false;
            count = (int)value;
        }

        result = new BroadcastResult { Sent = counts[0], Queued = counts[1], Replaced = counts[2], Dropped = counts[3], Closed = counts[4] };
        return true;
    }
}
