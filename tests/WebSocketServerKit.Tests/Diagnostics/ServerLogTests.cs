using System.Net;
using System.Reflection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;

namespace WebSocketServerKit.Diagnostics;

public sealed class ServerLogTests
{
    private static IEnumerable<(string Name, LoggerMessageAttribute Message)> Lines =>
        typeof(ServerLog).GetMethods(BindingFlags.Instance | BindingFlags.Public | BindingFlags.DeclaredOnly)
            .Select(method => (method.Name, method.GetCustomAttribute<LoggerMessageAttribute>()!));

    /// <summary>Whoever filters or counts by event id relies on these. Add lines at the end; never change or reuse one.</summary>
    [Fact]
    public void Event_ids_and_levels_are_what_they_always_were()
    {
        string[] expected =
        [
            "1 Information Listening",
            "2 Information Stopping",
            "3 Information Stopped",
            "4 Error AcceptTrouble",
            "5 Debug ClientConnected",
            "6 Debug ClientDisconnected",
            "7 Debug RequestRefused",
            "8 Warning ForeignOriginRefused",
            "9 Debug ProtocolViolated",
            "10 Error HandlerFailed",
            "11 Debug HandlerOutlivedClient",
            "12 Warning HandlerSlow",
            "13 Error ConnectionFailed",
            "14 Warning MemoryShort",
            "15 Information MemorySuffices",
            "16 Error MemoryNotRelieved",
            "20 Warning ForeignHostRefused",
            "21 Warning NoSubprotocolAgreed",
            "22 Warning OpenFilesTooFew",
            "23 Information MaxClientsLowered",
            "24 Information ListeningNowhere",
            "25 Information NoLongerListening",
            "26 Debug TlsFailed",
            "27 Warning PlainClientOnTls",
            "28 Warning TlsClientOnPlain",
            "29 Warning ProxyHeaderRefused",
            "30 Debug ConnectionRefused",
            "31 Warning CertificateUnusable",
            "32 Information CertificateRenewed",
            "33 Warning CertificateExpires",
            "34 Error CertificateExpired",
            "35 Error TlsSettingsFailed",
            "36 Warning UnknownPathRefused",
            "37 Debug JsonInvalid",
            "38 Information NotReady",
            "39 Information Cut",
            "40 Warning HandlerBlocksLoop",
            "41 Warning SubscribingFailed",
            "42 Warning BackplaneMessageUnknown",
            "43 Error BackplaneMessageFailed",
            "44 Warning BackplaneNotClosed",
        ];
        Assert.Equal(expected, Lines.OrderBy(line => line.Message.EventId).Select(line => $"{line.Message.EventId} {line.Message.Level} {line.Name}").ToArray());
    }

    [Fact]
    public void What_a_peer_can_cause_at_will_is_Debug()
    {
        string[] byPeers = ["ClientConnected", "ClientDisconnected", "RequestRefused", "ProtocolViolated", "HandlerOutlivedClient", "TlsFailed", "ConnectionRefused", "JsonInvalid"];
        Assert.All(Lines.Where(line => byPeers.Contains(line.Name, StringComparer.Ordinal)), line => Assert.Equal(LogLevel.Debug, line.Message.Level));
    }

    [Fact]
    public void A_line_has_its_id_its_values_and_its_exception()
    {
        var logger = new FakeLogger();
        var exception = new InvalidTimeZoneException();
        new ServerLog(logger).HandlerFailed(exception, "Message", new IPEndPoint(IPAddress.Loopback, 9));
        FakeLogRecord record = logger.LatestRecord;
        Assert.Equal(10, record.Id.Id);
        Assert.Equal("A handler of Message threw for the client at 127.0.0.1:9.", record.Message);
        Assert.Equal("127.0.0.1:9", record.GetStructuredStateValue("RemoteEndPoint"));
        Assert.Same(exception, record.Exception);
    }

    [Fact]
    public void What_to_set_can_be_copied_from_the_log()
    {
        var logger = new FakeLogger();
        var log = new ServerLog(logger);
        log.ForeignOriginRefused(new PeerText("https://app.example.com/"), "options.AllowedOrigins", new PeerText("https://app.example.com"));
        Assert.Contains("options.AllowedOrigins.Add(\"https://app.example.com\")", logger.LatestRecord.Message, StringComparison.Ordinal);
        log.ForeignOriginRefused(new PeerText("say \"hi\"\t"), "options.AllowedOrigins", new PeerText("say \"hi\"\t"));
        Assert.Contains("options.AllowedOrigins.Add(\"say \\\"hi\\\"\\u0009\")", logger.LatestRecord.Message, StringComparison.Ordinal);
        log.ForeignHostRefused(new PeerText("chat.example.com:81"), new PeerText("chat.example.com"));
        Assert.Contains("options.AllowedHosts.Add(\"chat.example.com\")", logger.LatestRecord.Message, StringComparison.Ordinal);
        log.NoSubprotocolAgreed(new PeerText("v1, v2"), "options.Subprotocols", new PeerText("v1"));
        Assert.Contains("options.Subprotocols.Add(\"v1\")", logger.LatestRecord.Message, StringComparison.Ordinal);
        log.UnknownPathRefused(new PeerText("/ch\nat"), "/a, /b/{c}", new PeerText("/ch\nat"));
        Assert.Contains("none matches: /a, /b/{c}. To serve it: server.Path(\"/ch\\u000Aat\"), or server.Path(\"/{*rest}\")", logger.LatestRecord.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_a_peer_writes_makes_no_line_of_its_own()
    {
        var logger = new FakeLogger();
        new ServerLog(logger).ClientDisconnected(7, DisconnectCause.Closed, 1000, new PeerText("bye\nfail: forged"));
        Assert.Equal("Client 7 disconnected: Closed, close code 1000 bye\\u000Afail: forged", logger.LatestRecord.Message);
        Assert.Equal("bye\\u000Afail: forged", logger.LatestRecord.GetStructuredStateValue("CloseReason"));
    }

    /// <summary>Each text among a line's values is either the server's own or goes through <see cref="PeerText"/>.</summary>
    [Fact]
    public void Text_that_is_logged_as_it_is_comes_from_the_server_itself()
    {
        string[] own = ["RequestRefused reason", "ProtocolViolated reason", "ProtocolViolated section", "HandlerFailed event", "HandlerSlow event",
            "ConnectionRefused reason", "ProxyHeaderRefused reason", "ForeignOriginRefused list", "NoSubprotocolAgreed list", "UnknownPathRefused templates",
            "CertificateUnusable problem", "CertificateRenewed subject", "CertificateExpires subject", "CertificateExpired subject", "Cut ids", "BackplaneMessageUnknown problem"];
        IEnumerable<string> logged = typeof(ServerLog).GetMethods(BindingFlags.Instance | BindingFlags.Public | BindingFlags.DeclaredOnly)
            .SelectMany(method => method.GetParameters().Where(parameter => parameter.ParameterType == typeof(string)).Select(parameter => $"{method.Name} {parameter.Name}"));
        Assert.Equal(own.Order(StringComparer.Ordinal), logged.Order(StringComparer.Ordinal));
    }
}
