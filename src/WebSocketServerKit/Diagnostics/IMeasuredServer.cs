namespace WebSocketServerKit.Diagnostics;

/// <summary>The figures of a server that are read when somebody asks for them. From any thread.</summary>
internal interface IMeasuredServer
{
    /// <summary>The clients that are connected.</summary>
    int ClientCount { get; }

    /// <summary>The connections in the opening handshake.</summary>
    int HandshakeCount { get; }

    /// <summary>The clients that read too slowly.</summary>
    int SlowClientCount { get; }

    /// <summary>Bytes that wait to be sent to the clients.</summary>
    long PendingBytes { get; }

    /// <summary>Bytes of the memory budget in use.</summary>
    long BufferedBytes { get; }

    /// <summary>The memory budget in bytes; null without one.</summary>
    long? BufferedBytesLimit { get; }

    /// <summary>Messages that clients did not get because they read too slowly. Never falls.</summary>
    long MessagesDropped { get; }

    /// <summary>Pending messages whose place a newer one took. Never falls.</summary>
    long MessagesReplaced { get; }

    /// <summary>What all connections so far have received and sent. Never falls.</summary>
    Traffic ReadTraffic();
}
