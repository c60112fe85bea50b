using System.Diagnostics.CodeAnalysis;
using System.Net;

namespace WebSocketServerKit.Testing;

/// <summary>The server has refused a <see cref="TestClient"/>: it has answered the request of its handshake with another status than 101.</summary>
[SuppressMessage("Design", "CA1032", Justification = "It always has an answer.")]
[SuppressMessage("Design", "MA0015", Justification = "It always has an answer.")]
public sealed class HandshakeRefusedException : Exception
{
    internal HandshakeRefusedException(string target, TestResponse response)
        : base($"The server has refused the client at {target}. It answered {response}") => Response = response;

    /// <summary>The whole answer.</summary>
    public TestResponse Response { get; }

    /// <summary>The status of the answer.</summary>
    public HttpStatusCode Status => Response.Status;

    /// <summary>The body of the answer as text; empty if there is none.</summary>
    public string Body => Response.Body;
}
