using System.Diagnostics.CodeAnalysis;

namespace WebSocketServerKit.Testing;

/// <summary>The server has done something else than a test expects. The message shows what was expected and what has happened.</summary>
[SuppressMessage("Design", "CA1032", Justification = "It always says what was expected.")]
public sealed class ExpectationFailedException : Exception, IAssertionException
{
    internal ExpectationFailedException(string what, string expected, string actual, Exception? innerException = null)
        : base($"{what}{Environment.NewLine}  Expected: {expected}{Environment.NewLine}  Actual:   {actual}", innerException)
    {
    }
}

/// <summary>By this name xunit knows that an exception is a failed assertion, whoever declares it.</summary>
[SuppressMessage("Design", "MA0048", Justification = "It is a mark of the exception above.")]
[SuppressMessage("Design", "CA1040", Justification = "It is a mark.")]
internal interface IAssertionException;
