using System.Runtime.CompilerServices;

namespace WebSocketServerKit.Fuzz.Targets;

/// <summary>What a parser promises for every input.</summary>
internal static class Promise
{
    /// <summary>Ends the run of the target as a finding unless the promise is kept.</summary>
    public static void Holds(bool kept, [CallerArgumentExpression(nameof(kept))] string promise = "")
    {
        if (!kept)
            throw new InvalidOperationException($"Broken promise: {promise}");
    }
}
