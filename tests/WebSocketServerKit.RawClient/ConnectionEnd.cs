namespace WebSocketServerKit.Raw;

/// <summary>How the server ended its side of a TCP connection.</summary>
public enum ConnectionEnd
{
    /// <summary>It said that nothing follows: all that it sent can be read.</summary>
    Fin,

    /// <summary>It cut the connection; what was on its way may be lost.</summary>
    Reset,
}
