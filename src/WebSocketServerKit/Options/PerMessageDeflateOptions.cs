using System.IO.Compression;
using System.Runtime.CompilerServices;
using WebSocketServerKit.Connections.Sending;
using WebSocketServerKit.Protocol.Compression;

namespace WebSocketServerKit;

/// <summary>
/// How messages are compressed for clients that offer permessage-deflate (RFC 7692), as browsers do. Set <see cref="WebSocketServerOptions.PerMessageDeflate"/> to one to turn it on.
/// </summary>
/// <remarks>
/// Danger: the length of a compressed message tells how much its parts resemble each other. Where one message, or with context takeover one connection, carries both a secret and
/// text that an attacker can choose, and the attacker can see the lengths on the way, the secret can be found out piece by piece (CRIME, BREACH). Encryption does not help.
/// Send such messages with <c>compress: false</c>.
/// </remarks>
public sealed class PerMessageDeflateOptions
{
    /// <summary>
    /// Whether a message to a client may refer to earlier ones to it. Default: false. Small messages that resemble each other gain by it: JSON of 128 bytes goes out at 40 % of its
    /// size instead of 101, of 1 KiB at 40 instead of 58, of 16 KiB at 39 instead of 42. It keeps a compressor of 220 to 330 KiB for each client for as long as it is connected.
    /// Without it, one exists only while a message is compressed.
    /// </summary>
    public bool ServerContextTakeover { get; set; }

    /// <summary>Whether a message from a client may refer to its earlier ones. Default: false. It keeps a decompressor of 20 to 45 KiB for each client.</summary>
    public bool ClientContextTakeover { get; set; }

    /// <summary>
    /// How far messages to a client refer back at most, as a power of two in bytes: 8 to 15. Default: 15, that is 32 KiB. Less spares the client memory, excludes
    /// <see cref="ServerContextTakeover"/>, and makes long messages larger. A client may ask for less.
    /// </summary>
    public int ServerMaxWindowBits { get; set; } = 15;

    /// <summary>The same for messages from a client. Default: 15. Only clients that offer <c>client_max_window_bits</c> can be asked for less. The server saves nothing by it.</summary>
    public int ClientMaxWindowBits { get; set; } = 15;

    /// <summary>
    /// Shorter messages, in bytes before compression, go uncompressed. Default: 256. Below that, a compressor takes longer than the few saved bytes are worth; with
    /// <see cref="ServerContextTakeover"/> less is sensible.
    /// </summary>
    public int MinMessageSize { get; set; } = 256;

    /// <summary>How much work goes into a message. Default: <see cref="CompressionLevel.Fastest"/>. See docs/compression.md for what the others cost and gain.</summary>
    public CompressionLevel Level { get; set; } = CompressionLevel.Fastest;

    /// <summary>
    /// How many messages may be compressed at the same time, by all threads. Default: 64, that is 14 to 21 MiB. Further ones go uncompressed; none waits.
    /// One that is sent while it is being written counts from its first fragment to its last, so clients that read such messages slowly can use up all of them.
    /// </summary>
    public int MaxConcurrentCompressions { get; set; } = 64;

    /// <summary>
    /// How many clients may have context takeover, in either direction, at the same time. Default: 1,000, that is up to about 370 MiB. With further ones compression without it is agreed on.
    /// </summary>
    public int MaxContexts { get; set; } = 1_000;

    internal void Validate()
    {
        Check(ServerMaxWindowBits, PerMessageDeflateParameters.MinWindowBits, PerMessageDeflateParameters.MaxWindowBits);
        Check(ClientMaxWindowBits, PerMessageDeflateParameters.MinWindowBits, PerMessageDeflateParameters.MaxWindowBits);
        Check(MinMessageSize, 0, int.MaxValue);
        Check(MaxConcurrentCompressions, 1, int.MaxValue);
        Check(MaxContexts, 0, int.MaxValue);
        if (!Enum.IsDefined(Level))
            throw new ArgumentException($"{nameof(PerMessageDeflateOptions)}.{nameof(Level)} is {Level}, which is no level.");
    }

    internal CompressionSettings ToCompressionSettings() => new(
        new PerMessageDeflateParameters(!ServerContextTakeover, !ClientContextTakeover, ServerMaxWindowBits, ClientMaxWindowBits),
        Level,
        MinMessageSize,
        new CompressionLimits(MaxConcurrentCompressions, MaxContexts));

    private static void Check(int value, int least, int most, [CallerArgumentExpression(nameof(value))] string option = "")
    {
        if (value < least || value > most)
            throw new ArgumentException($"{nameof(PerMessageDeflateOptions)}.{option} is {value}; it must be from {least} to {most}.");
    }
}
