namespace WebSocketServerKit.LoadTests.Servers;

/// <summary>What a server does with messages.</summary>
internal enum Service
{
    /// <summary>Sends each back.</summary>
    Echo,

    /// <summary>Sends each to all clients.</summary>
    Broadcast,

    /// <summary>Sends each to a group that all clients are in.</summary>
    Group,

    /// <summary>Works on those that come to a path of <see cref="Work"/>, without an answer, and echoes the others.</summary>
    Work,
}
