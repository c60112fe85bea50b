namespace WebSocketServerKit.Diagnostics;

/// <summary>What connections have received and sent so far.</summary>
/// <param name="MessagesReceived">Data messages received.</param>
/// <param name="PayloadReceived">Their payload, in bytes.</param>
/// <param name="BytesReceived">All bytes received behind the request for the handshake; without what TLS adds.</param>
/// <param name="MessagesSent">Data messages accepted to be sent.</param>
/// <param name="PayloadSent">Their payload, in bytes.</param>
/// <param name="BytesSent">All bytes that the transport has taken, the answer to the handshake included; without what TLS adds.</param>
internal readonly record struct Traffic(long MessagesReceived, long PayloadReceived, long BytesReceived, long MessagesSent, long PayloadSent, long BytesSent)
{
    public static Traffic operator +(Traffic one, Traffic other) => new(
        one.MessagesReceived + other.MessagesReceived,
        one.PayloadReceived + other.PayloadReceived,
        one.BytesReceived + other.BytesReceived,
        one.MessagesSent + other.MessagesSent,
        one.PayloadSent + other.PayloadSent,
        one.BytesSent + other.BytesSent);
}
