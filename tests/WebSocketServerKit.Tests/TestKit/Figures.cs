using WebSocketServerKit.Diagnostics;

namespace WebSocketServerKit.TestKit;

/// <summary>A server of which only the figures exist.</summary>
internal sealed class Figures : IMeasuredServer
{
    public int ClientCount { get; set; } = 3;

    public int HandshakeCount => 2;

    public int SlowClientCount => 1;

    public long PendingBytes => 400;

    public long BufferedBytes => 500;

    public long? BufferedBytesLimit { get; set; } = 600;

    public long MessagesDropped => 7;

    public long MessagesReplaced => 8;

    public Traffic Traffic { get; set; } = new(11, 12, 13, 14, 15, 16);

    public Traffic ReadTraffic() => Traffic;
}
