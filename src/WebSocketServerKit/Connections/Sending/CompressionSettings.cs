using System.IO.Compression;
using WebSocketServerKit.Protocol.Compression;

namespace WebSocketServerKit.Connections.Sending;

/// <summary>What the options say about permessage-deflate, frozen when the server starts, and what all its connections share.</summary>
/// <param name="Wanted">What the server asks for in each negotiation.</param>
/// <param name="Level">How much work goes into a message.</param>
/// <param name="MinMessageSize">Bytes; shorter messages go uncompressed.</param>
/// <param name="Limits">What is in use, and how much may be.</param>
internal sealed record CompressionSettings(PerMessageDeflateParameters Wanted, CompressionLevel Level, int MinMessageSize, CompressionLimits Limits);
