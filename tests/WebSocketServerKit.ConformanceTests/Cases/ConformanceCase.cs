namespace WebSocketServerKit.Conformance.Cases;

/// <summary>A case of the suite.</summary>
/// <param name="Id">The id that the Autobahn|Testsuite has for it.</param>
/// <param name="Does">What the client does.</param>
/// <param name="RunAsync">Does it, and checks what the server does.</param>
/// <param name="Extension">The extension that it offers, if any.</param>
public sealed record ConformanceCase(string Id, string Does, Func<CaseRun, Task> RunAsync, Negotiation? Extension = null);
