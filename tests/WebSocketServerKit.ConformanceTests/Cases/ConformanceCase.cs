namespace WebSocketServerKit.Conformance.Cases;

/// <summary>A case of the suite.</summary>
/// <param name="Id">The id that the Autobahn|Testsuite has for it.</param>
/// <param name="Does">What the client does.</param>
/// <param name="RunAsync">Does it, and checks what the server does.</param>
public sealed record ConformanceCase(string Id, string Does, Func<CaseRun, Task> RunAsync);
