using System.IO.Compression;
using WebSocketServerKit.Protocol.Compression;

namespace WebSocketServerKit.Connections.Sending;

/// <summary>The options of permessage-deflate, as they were when the server started, and the limits that all connections share.</summary>
/// <param name="Wanted">The parameters that the server asks for in each negotiation.</param>
/// <param name="Level">The effort per message.</param>
/// <param name="MinMessageSize">Bytes; shorter messages go uncompressed.</param>
/// <param name="Limits">The compressors in use, and how many there may be.</param>
internal sealed record CompressionSettings(PerMessageDeflateParameters Wanted, CompressionLevel Level, int MinMessageSize, CompressionLimits Limits);
