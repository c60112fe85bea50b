using System.Runtime.CompilerServices;
using WebSocketServerKit.Connections;
using WebSocketServerKit.Connections.Sending;
using WebSocketServerKit.Options;

namespace WebSocketServerKit;

/// <summary>
/// The options that a client may have for itself: those of its path (<see cref="PathOptions"/>), or what a handler of <see cref="WebSocketServer.Handshaking"/> sets in
/// <see cref="HandshakingEventArgs.Options"/>. Null means the value of the <see cref="WebSocketServerOptions"/>. Not thread-safe.
/// </summary>
/// <remarks>The ranges are those of the <see cref="WebSocketServerOptions"/>. Values that the server cannot use are refused: by <c>server.Path(...)</c> with an exception, after a handler of <see cref="WebSocketServer.Handshaking"/> by answering the client with 500.</remarks>
public class ClientOptions
{
    internal ClientOptions()
    {
    }

    /// <summary>A copy; of more special options the part that clients have.</summary>
    internal ClientOptions(ClientOptions other)
    {
        MaxMessageSize = other.MaxMessageSize;
        MaxFragmentsPerMessage = other.MaxFragmentsPerMessage;
        MaxMessagesPerSecond = other.MaxMessagesPerSecond;
        MaxBytesPerSecond = other.MaxBytesPerSecond;
        SendQueueLimit = other.SendQueueLimit;
        HandlerExceptions = other.HandlerExceptions;
        AllowsCompression = other.AllowsCompression;
        StreamMessagesFrom = other.StreamMessagesFrom;
        MaxStreamedMessageSize = other.MaxStreamedMessageSize;
        StreamedMessageTimeout = other.StreamedMessageTimeout;
        SlowClients = other.SlowClients;
        SendBufferSize = other.SendBufferSize;
        OverRate = other.OverRate;
    }

    /// <summary>The largest message that the client may send, in bytes. Default: null, <see cref="WebSocketServerOptions.MaxMessageSize"/>.</summary>
    public int? MaxMessageSize { get; set; }

    /// <summary>The maximum number of fragments of one message. Default: null, <see cref="WebSocketServerOptions.MaxFragmentsPerMessage"/>.</summary>
    public int? MaxFragmentsPerMessage { get; set; }

    /// <summary>
    /// The number of messages per second that the server reads from the client, on average. Default: null, <see cref="WebSocketServerOptions.MaxMessagesPerSecond"/>. Where the server has a limit,
    /// <see cref="int.MaxValue"/> lifts it.
    /// </summary>
    public int? MaxMessagesPerSecond { get; set; }

    /// <summary>
    /// The number of bytes per second that the server reads from the client, on average. Default: null, <see cref="WebSocketServerOptions.MaxBytesPerSecond"/>. Where the server has a limit,
    /// <see cref="long.MaxValue"/> lifts it.
    /// </summary>
    public long? MaxBytesPerSecond { get; set; }

    /// <summary>How many bytes may wait to be sent to the client. Default: null, <see cref="WebSocketServerOptions.SendQueueLimit"/>.</summary>
    public int? SendQueueLimit { get; set; }

    /// <summary>What the server does with the client when a handler throws for it. Default: null, <see cref="WebSocketServerOptions.HandlerExceptions"/>.</summary>
    public HandlerExceptionPolicy? HandlerExceptions { get; set; }

    /// <summary>
    /// Whether messages may be compressed, if the client offers it. False turns compression off, as for clients whose messages contain secrets. Default: null, as the server or the path is set up;
    /// true means the same, and lifts the false of a path. Without <see cref="WebSocketServerOptions.PerMessageDeflate"/> or <see cref="PathOptions.PerMessageDeflate"/> nothing is compressed.
    /// </summary>
    public bool? AllowsCompression { get; set; }

    /// <summary>
    /// The size in bytes from which the client's messages are handed on while they are received. Default: null, <see cref="WebSocketServerOptions.StreamMessagesFrom"/>. Where the server has such a
    /// size, <see cref="long.MaxValue"/> means never.
    /// </summary>
    public long? StreamMessagesFrom { get; set; }

    /// <summary>The largest message of the client that is handed on while it is received, in bytes. Default: null, <see cref="WebSocketServerOptions.MaxStreamedMessageSize"/>.</summary>
    public long? MaxStreamedMessageSize { get; set; }

    /// <summary>How long the client may take to send such a message. Default: null, <see cref="WebSocketServerOptions.StreamedMessageTimeout"/>.</summary>
    public TimeSpan? StreamedMessageTimeout { get; set; }

    /// <summary>What happens to a message for the client when it reads too slowly. Default: null, <see cref="WebSocketServerOptions.SlowClients"/>.</summary>
    public SlowClientPolicy? SlowClients { get; set; }

    /// <summary>
    /// The size of the system's send buffer for the client (SO_SNDBUF), in bytes, from 1 KiB to 64 MiB. What is in it can be neither dropped nor replaced, so a small one brings a slow client newer messages; a
    /// fast client on a long line needs a large one. Default: null, that of <see cref="ListenOptions.SendBufferSize"/>, or, if that is null too, the system's with <see cref="SlowClientPolicy.Wait"/>, and
    /// <see cref="SendQueueLimit"/>, but 16 to 256 KiB, with any other policy. Streams and pipes of <see cref="WebSocketServer.AcceptAsync(Stream, AcceptOptions?, CancellationToken)"/> have none.
    /// </summary>
    public int? SendBufferSize { get; set; }

    /// <summary>What the server does with the client when it sends more than it may. Default: null, <see cref="WebSocketServerOptions.OverRate"/>.</summary>
    public RateLimitReaction? OverRate { get; set; }

    /// <summary>Checks the values.</summary>
    /// <param name="owner">Where they were set, for the message: <c>PathOptions</c>.</param>
    /// <exception cref="ArgumentException">An option has an invalid value; the message names it and the valid range.</exception>
    internal void ValidateClient(string owner)
    {
        Check(MaxMessageSize, 1, Array.MaxLength / 2);
        Check(MaxFragmentsPerMessage, 1, int.MaxValue);
        Check(MaxMessagesPerSecond, 1, int.MaxValue);
        Check(MaxBytesPerSecond, 1, long.MaxValue);
        Check(SendQueueLimit, 1024, SendQueue.MaxPayload);
        Check(StreamMessagesFrom, 0, long.MaxValue);
        Check(MaxStreamedMessageSize, 1, long.MaxValue);
        if (StreamedMessageTimeout is { } time)
            OptionCheck.Time($"{owner}.{nameof(StreamedMessageTimeout)}", time, mostHours: 12, mayBeInfinite: true);
        if (HandlerExceptions is { } policy)
            OptionCheck.Defined($"{owner}.{nameof(HandlerExceptions)}", policy);
        if (SlowClients is { } slow)
            OptionCheck.Defined($"{owner}.{nameof(SlowClients)}", slow);
        Check(SendBufferSize, 1024, 64 * 1024 * 1024);
        if (OverRate is { } reaction)
            OptionCheck.Defined($"{owner}.{nameof(OverRate)}", reaction);

        void Check(long? value, long least, long most, [CallerArgumentExpression(nameof(value))] string option = "")
        {
            if (value is { } set)
                OptionCheck.Range($"{owner}.{option}", set, least, most);
        }
    }

    /// <summary>The settings with these options in place of theirs; the same object if that changes nothing.</summary>
    internal ConnectionSettings ApplyTo(ConnectionSettings settings)
    {
        ConnectionSettings own = settings with
        {
            MaxMessageSize = MaxMessageSize ?? settings.MaxMessageSize,
            MaxFragmentsPerMessage = MaxFragmentsPerMessage ?? settings.MaxFragmentsPerMessage,
            MaxMessagesPerSecond = MaxMessagesPerSecond ?? settings.MaxMessagesPerSecond,
            MaxBytesPerSecond = MaxBytesPerSecond ?? settings.MaxBytesPerSecond,
            SendQueueLimit = SendQueueLimit ?? settings.SendQueueLimit,
            SlowClients = SlowClients ?? settings.SlowClients,
            SendBufferSize = SendBufferSize ?? settings.SendBufferSize,
            OverRate = OverRate ?? settings.OverRate,
            CloseOnHandlerException = HandlerExceptions is { } policy ? policy == HandlerExceptionPolicy.CloseClient : settings.CloseOnHandlerException,
            StreamMessagesFrom = StreamMessagesFrom ?? settings.StreamMessagesFrom,
            MaxStreamedMessageSize = MaxStreamedMessageSize ?? settings.MaxStreamedMessageSize,
            StreamedMessageTimeout = StreamedMessageTimeout ?? settings.StreamedMessageTimeout,
            Compression = AllowsCompression == false ? null : settings.Compression,
        };
        return own == settings ? settings : own;
    }
}
