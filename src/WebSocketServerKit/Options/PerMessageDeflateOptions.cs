using System.IO.Compression;
using System.Runtime.CompilerServices;
using WebSocketServerKit.Connections.Sending;
using WebSocketServerKit.Options;
using WebSocketServerKit.Protocol.Compression;

namespace WebSocketServerKit;

/// <summary>
/// Options for message compression by permessage-deflate (RFC 7692), which browsers offer. Assign an instance to
/// <see cref="WebSocketServerOptions.PerMessageDeflate"/> to turn compression on.
/// </summary>
/// <remarks>
/// Security: the length of a compressed message reveals how similar its parts are. If a message (with context takeover: a connection) contains both a secret
/// and text that an attacker chooses, and the attacker can observe the lengths, the attacker can find out the secret step by step (CRIME, BREACH). Encryption
/// does not prevent that. Send such messages without compression.
/// </remarks>
public sealed class PerMessageDeflateOptions
{
    /// <summary>
    /// Whether messages to a client may refer to earlier messages to the same client (context takeover). Default: false. It compresses small, similar messages
    /// better: JSON of 128 bytes to 40 % of its size instead of 101 %, of 1 KiB to 40 % instead of 58 %, of 16 KiB to 39 % instead of 42 %. It costs a
    /// compressor of 220 to 330 KiB per connected client. Without it, a compressor exists only while a message is compressed.
    /// </summary>
    public bool ServerContextTakeover { get; set; }

    /// <summary>
    /// Whether messages from a client may refer to its earlier messages (context takeover). Default: false. It costs a decompressor of 20 to 50 KiB per
    /// connected client.
    /// </summary>
    public bool ClientContextTakeover { get; set; }

    /// <summary>
    /// The size of the compression window for messages to a client, as a power of two in bytes: 8 to 15. Default: 15, which is 32 KiB. A smaller window saves
    /// memory of the client, excludes <see cref="ServerContextTakeover"/>, and compresses long messages less. A client may ask for a smaller one.
    /// </summary>
    public int ServerMaxWindowBits { get; set; } = 15;

    /// <summary>
    /// The size of the compression window for messages from a client, as a power of two in bytes: 8 to 15. Default: 15. Only clients that offer
    /// <c>client_max_window_bits</c> can be asked for a smaller one. It saves no memory of the server.
    /// </summary>
    public int ClientMaxWindowBits { get; set; } = 15;

    /// <summary>
    /// Messages with fewer bytes than this (before compression) are sent uncompressed. Default: 256. Compressing shorter messages costs more time than the
    /// saved bytes are worth. With
    /// <see cref="ServerContextTakeover"/> a smaller value makes sense.
    /// </summary>
    public int MinMessageSize { get; set; } = 256;

    /// <summary>The compression level. Default: <see cref="CompressionLevel.Fastest"/>. docs/compression.md compares the levels.</summary>
    public CompressionLevel Level { get; set; } = CompressionLevel.Fastest;

    /// <summary>
    /// The maximum number of messages that are compressed at the same time, on all threads. Default: 64, which takes 14 to 21 MiB. Further messages are sent
    /// uncompressed; none waits. At least 1. A message that is sent as a stream counts from its first fragment to its last, so clients that read such messages slowly can
    /// use up the limit.
    /// </summary>
    public int MaxConcurrentCompressions { get; set; } = 64;

    /// <summary>
    /// The maximum number of clients with context takeover, in either direction, at the same time. Default: 1,000, which takes up to about 370 MiB. Further
    /// clients get compression without context takeover; with 0 all do.
    /// </summary>
    public int MaxContexts { get; set; } = 1_000;

    internal PerMessageDeflateOptions Copy() => (PerMessageDeflateOptions)MemberwiseClone();

    internal void Validate()
    {
        Check(ServerMaxWindowBits, PerMessageDeflateParameters.MinWindowBits, PerMessageDeflateParameters.MaxWindowBits);
        Check(ClientMaxWindowBits, PerMessageDeflateParameters.MinWindowBits, PerMessageDeflateParameters.MaxWindowBits);
        Check(MinMessageSize, 0, int.MaxValue);
        Check(MaxConcurrentCompressions, 1, int.MaxValue);
        Check(MaxContexts, 0, int.MaxValue);
        OptionCheck.Defined($"{nameof(PerMessageDeflateOptions)}.{nameof(Level)}", Level);
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
