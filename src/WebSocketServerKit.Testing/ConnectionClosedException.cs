using System.Diagnostics.CodeAnalysis;

namespace WebSocketServerKit.Testing;

/// <summary>The connection of a <see cref="TestClient"/> has ended, and what the test asked for cannot happen any more.</summary>
[SuppressMessage("Design", "CA1032", Justification = "It always has a close code.")]
public sealed class ConnectionClosedException : Exception
{
    internal ConnectionClosedException(string instead, CloseCode closeCode, string closeReason, Exception? innerException = null)
        : base($"{instead}: {Describe(closeCode, closeReason)}.", innerException)
    {
        CloseCode = closeCode;
        CloseReason = closeReason;
    }

    /// <summary>The code of the server's Close frame; 1006 (<see cref="CloseCode.AbnormalClosure"/>) if there was no Close frame.</summary>
    public CloseCode CloseCode { get; }

    /// <summary>The reason of that Close frame; empty if it had none.</summary>
    public string CloseReason { get; }

    internal static string Describe(CloseCode code, string reason) => code == CloseCode.AbnormalClosure
        ? "the connection ended without a Close frame, which is 1006 (abnormal closure)"
        : $"the server closed the connection with {code}{(reason.Length == 0 ? "" : $", \"{reason}\"")}";
}
