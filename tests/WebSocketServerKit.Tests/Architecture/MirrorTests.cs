namespace WebSocketServerKit.Architecture;

public sealed class MirrorTests
{
    // Files that declare and do nothing: there is no behaviour to test. The reason says where their meaning is tested.
    private static readonly Dictionary<string, string> Exempt = new(StringComparer.Ordinal)
    {
        ["CutClient.cs"] = "A record; ServerRun fills it.",
        ["Connections/Closing/CutReason.cs"] = "An enum; ClosingHandshake tells it.",
        ["Clients/WebSocketClient.Admission.cs"] = "Two properties; SessionExpiry and OverRate act on them.",
        ["Events/ClientExpiringEventArgs.cs"] = "Two properties; ClientSession fills them.",
        ["Events/ClientOverRateEventArgs.cs"] = "Two properties; ClientSession fills them.",
        ["Connections/Receiving/RateLimitReaction.cs"] = "An enum; ReceiveLoop acts on it.",
        ["Backplanes/BroadcastReport.cs"] = "A record; ServerNode fills it.",
        ["Backplanes/ForwardResult.cs"] = "An enum; ServerNode tells it.",
        ["Backplanes/IBackplane.cs"] = "Members; InProcessBackplane keeps their promises.",
        ["Clients/BroadcastResult.cs"] = "A record of counts; ClientRegistry fills it.",
        ["Clients/ClientChange.cs"] = "A record and an enum; ClientRegistry tells them.",
        ["Clients/SendOptions.cs"] = "Values; WebSocketClient acts on them.",
        ["Clients/SendResult.cs"] = "An enum; WebSocketClient tells it.",
        ["Events/ClientConnectedEventArgs.cs"] = "Two properties; ClientSession fills them.",
        ["Options/AcceptOptions.cs"] = "Values; WebSocketServer.AcceptAsync takes them.",
        ["Options/ClientCertificateMode.cs"] = "An enum; TlsOptions acts on it.",
        ["Options/HandlerExceptionPolicy.cs"] = "An enum; ConnectionLifetime acts on it.",
        ["Options/PerMessageDeflateOptions.cs"] = "Values; WebSocketServerOptions checks them.",
        ["Options/WebSocketTransport.cs"] = "An enum; WebSocketServerOptions acts on it.",
        ["Serving/Paths/PathMatch.cs"] = "A record; RequestDecision fills it.",
        ["StopResult.cs"] = "A record of counts; WebSocketServer fills it.",
        ["Connections/Sending/CompressionSettings.cs"] = "A record; WebSocketServerOptions fills it.",
        ["Connections/Closing/ConnectionEnding.cs"] = "A record; ConnectionLifetime fills it.",
        ["Connections/ConnectionEvent.cs"] = "An enum; ConnectionLifetime raises it.",
        ["Connections/Opening/IRequestDecision.cs"] = "Members; RequestDecision keeps their promises.",
        ["Connections/ConnectionSettings.cs"] = "A record; WebSocketServerOptions fills it.",
        ["Connections/Handling/Notice.cs"] = "A record; Notices raises it.",
        ["Diagnostics/IMeasuredServer.cs"] = "Members; ServerMetrics reads them.",
        ["Events/ClientSlowEventArgs.cs"] = "Two properties; ClientSession fills them.",
        ["Events/ConnectionSide.cs"] = "An enum; ConnectionLifetime tells it.",
        ["Events/DisconnectCause.cs"] = "An enum; ConnectionLifetime tells it.",
        ["Connections/Handling/InvalidJsonException.cs"] = "An exception; MessageReceivedEventArgs throws it, ConnectionLifetime excuses it.",
        ["Connections/Handling/LeftMessage.cs"] = "A record; ConnectionLifetime fills it.",
        ["Connections/Sending/NotSentException.cs"] = "An exception; WebSocketClient throws it, ConnectionLifetime excuses it.",
        ["Clients/ClientSelection.Slow.cs"] = "WebSocketClient.SlowTests and WebSocketServer.SlowTests call it.",
        ["Connections/Sending/SendKind.cs"] = "An enum; SendQueue acts on it.",
        ["Protocol/ProtocolEvent.cs"] = "An enum; ServerProtocol tells it.",
        ["Protocol/ProtocolViolation.cs"] = "An enum; ProtocolViolations is its table.",
        ["Protocol/Compression/OneWayStream.cs"] = "Members that a base class demands; MessageDeflater and MessageInflater use it.",
        ["Protocol/Handshake/Extension.cs"] = "A record; ExtensionList fills it.",
        ["Protocol/Handshake/ForwardedHeaderKind.cs"] = "An enum; ForwardedHeaders acts on it.",
        ["Transport/Pipes/BroughtConnection.cs"] = "Abstract members; PipeTransportConnection and DirectConnection keep their promises.",
        ["Transport/Pipes/ICarrier.cs"] = "Members; StreamCarrier and DuplexPipeCarrier keep their promises.",
        ["Transport/Proxies/ProxyHeaderValue.cs"] = "A record; ProxyHeaderParser fills it.",
        ["Transport/HostFacts.cs"] = "A record; AcceptOptions fills it.",
        ["Transport/TlsSession.cs"] = "Values; TlsTransportConnection fills it.",
        ["Transport/TransportInput.cs"] = "What SocketReader, EventLoopInput, PipeInput and TlsInput have in common; their tests cover it.",
        ["Transport/TransportConnection.cs"] = "Abstract members; its subclasses keep their promises.",
    };

    private static readonly HashSet<string> Tests =
        [.. SourceTree.Files("tests/WebSocketServerKit.Tests"), .. SourceTree.Files("tests/WebSocketServerKit.IntegrationTests")];

    private static string[] Untested =>
        [.. SourceTree.Library.Select(file => file.Path).Where(path => !Tests.Contains(path[..^".cs".Length] + "Tests.cs"))];

    [Fact]
    public void Every_source_file_has_its_test_file() => Findings.AssertNone(Untested.Except(Exempt.Keys, StringComparer.Ordinal));

    [Fact]
    public void Only_files_that_exist_and_have_no_test_file_are_exempt() =>
        Findings.AssertNone(Exempt.Keys.Except(Untested, StringComparer.Ordinal));
}
