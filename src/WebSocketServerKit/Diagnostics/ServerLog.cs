using System.Net;
using Microsoft.Extensions.Logging;

namespace WebSocketServerKit.Diagnostics;

/// <summary>
/// All log messages of the library. Event ids are never reused. Messages that a peer can trigger at will have the level Debug, so that the log stays quiet
/// under load and under attack. Text that a peer has chosen is a <see cref="PeerText"/>.
/// </summary>
internal sealed partial class ServerLog(ILogger log)
{
    private readonly FaultTolerantLogger _logger = new(log);

    /// <summary>Whether messages of the level Debug are logged. For those whose arguments cost something.</summary>
    internal bool IsDebugEnabled => _logger.IsEnabled(LogLevel.Debug);

    [LoggerMessage(1, LogLevel.Information, "Listening on {EndPoint}.")]
    public partial void Listening(EndPoint endPoint);

    [LoggerMessage(2, LogLevel.Information, "Stopping: {Clients} clients are told to go away.")]
    public partial void Stopping(int clients);

    [LoggerMessage(3, LogLevel.Information, "Stopped: {Cleanly} clients left cleanly, {Cut} had to be cut, {Unfinished} have handlers that have not ended.")]
    public partial void Stopped(int cleanly, int cut, int unfinished);

    [LoggerMessage(4, LogLevel.Error, "Accepting connections on {EndPoint} failed.")]
    public partial void AcceptTrouble(Exception exception, EndPoint endPoint);

    [LoggerMessage(5, LogLevel.Debug, "Client {Id} connected from {RemoteEndPoint} for {Path}.")]
    public partial void ClientConnected(long id, EndPoint remoteEndPoint, PeerText path);

    [LoggerMessage(6, LogLevel.Debug, "Client {Id} disconnected: {Cause}, close code {CloseCode} {CloseReason}")]
    public partial void ClientDisconnected(long id, DisconnectCause cause, int closeCode, PeerText closeReason);

    [LoggerMessage(7, LogLevel.Debug, "A request from {RemoteEndPoint} was answered with {Status}: {Reason}")]
    public partial void RequestRefused(EndPoint remoteEndPoint, int status, string reason);

    [LoggerMessage(8, LogLevel.Warning,
        "Refused a handshake from a page of origin {Origin}. To allow it: {List}.Add(\"{Entry}\"). If it is the server's own page and a proxy is in front, the proxy has to pass on the "
        + "Host with its port (nginx: proxy_set_header Host $http_host). Further refusals of foreign origins are logged as Debug.")]
    public partial void ForeignOriginRefused(PeerText origin, string list, PeerText entry);

    [LoggerMessage(9, LogLevel.Debug, "{RemoteEndPoint} broke a rule of the protocol: {Reason} (RFC 6455 section {Section}); closing with {CloseCode}.")]
    public partial void ProtocolViolated(EndPoint remoteEndPoint, string reason, string section, int closeCode);

    [LoggerMessage(10, LogLevel.Error, "A handler of {Event} threw for the client at {RemoteEndPoint}.")]
    public partial void HandlerFailed(Exception exception, string @event, EndPoint remoteEndPoint);

    [LoggerMessage(11, LogLevel.Debug, "A handler for the client at {RemoteEndPoint} was sending to, or reading from, a client that has left or is too slow.")]
    public partial void HandlerOutlivedClient(Exception exception, EndPoint remoteEndPoint);

    [LoggerMessage(12, LogLevel.Warning,
        "A handler of {Event} for the client at {RemoteEndPoint} has been running for {Threshold} and holds back that client's next messages. Hand long work to a queue or a task of your own, and let the handler return. If it waits for another message of the same client, have it call e.ContinueReceiving() first, or it waits for ever.")]
    public partial void HandlerSlow(string @event, EndPoint remoteEndPoint, TimeSpan threshold);

    [LoggerMessage(13, LogLevel.Error, "The connection with {RemoteEndPoint} ended because of an internal error. Please report it.")]
    public partial void ConnectionFailed(Exception exception, EndPoint remoteEndPoint);

    [LoggerMessage(14, LogLevel.Warning,
        "The server holds {Used} bytes for its clients; the limit is {Limit}. Until that decreases it does not read from the clients that hold the most, and closes them with 1013 if necessary. Set options.MaxBufferedBytes for another limit, or lower MaxMessageSize and SendQueueLimit.")]
    public partial void MemoryShort(long used, long limit);

    [LoggerMessage(15, LogLevel.Information, "The server holds {Used} bytes for its clients; the limit is {Limit}. It reads from all clients again.")]
    public partial void MemorySuffices(long used, long limit);

    [LoggerMessage(16, LogLevel.Error, "The server failed to enforce options.MaxBufferedBytes and will try again. Please report it.")]
    public partial void MemoryNotRelieved(Exception exception);

    [LoggerMessage(20, LogLevel.Warning,
        "Refused a request for the host {Host}, for which this server does not answer. If clients rightly use that name, as through a proxy on this machine: "
        + "options.AllowedHosts.Add(\"{Entry}\"), and every other name that they use, for a list holds for all requests. If nobody does, a foreign page tried to "
        + "get in (DNS rebinding). Further refusals of hosts are logged as Debug.")]
    public partial void ForeignHostRefused(PeerText host, PeerText entry);

    [LoggerMessage(21, LogLevel.Warning,
        "A client offered the subprotocols {Offered} and got none of them; browsers then close the connection at once. If the server speaks one: "
        + "{List}.Add(\"{First}\"). This is logged once.")]
    public partial void NoSubprotocolAgreed(PeerText offered, string list, PeerText first);

    [LoggerMessage(22, LogLevel.Warning,
        "options.MaxClients is {MaxClients}, but this process may have {Limit} files open, sockets included, and when they run out it may fail as a whole. Raise the "
        + "limit to {Needed} (ulimit -n {Needed}; of a systemd service LimitNOFILE={Needed}), or set options.MaxClients to {Possible}.")]
    public partial void OpenFilesTooFew(int maxClients, long limit, long needed, int possible);

    [LoggerMessage(23, LogLevel.Information,
        "Up to {MaxClients} clients fit, since this process may have {Limit} files open, sockets included. For more, raise the limit "
        + "(ulimit -n; of a systemd service LimitNOFILE=).")]
    public partial void MaxClientsLowered(int maxClients, long limit);

    [LoggerMessage(24, LogLevel.Information, "Listening nowhere: no address is set. The server serves what its AcceptAsync is given. To listen: options.Listen(\"http://localhost:8080\").")]
    public partial void ListeningNowhere();

    [LoggerMessage(25, LogLevel.Information, "No longer listening on {EndPoint}. Clients that came there stay connected.")]
    public partial void NoLongerListening(EndPoint endPoint);

    [LoggerMessage(26, LogLevel.Debug, "The TLS handshake with {RemoteEndPoint} failed: {Reason}")]
    public partial void TlsFailed(EndPoint remoteEndPoint, PeerText reason);

    [LoggerMessage(27, LogLevel.Warning,
        "A client at {RemoteEndPoint} spoke HTTP without TLS on {LocalEndPoint}, where clients have to speak TLS; it was answered with 400. It should use https:// or wss://. "
        + "Further ones are logged as Debug.")]
    public partial void PlainClientOnTls(EndPoint remoteEndPoint, EndPoint localEndPoint);

    [LoggerMessage(28, LogLevel.Warning,
        "A client at {RemoteEndPoint} spoke TLS on {LocalEndPoint}, where clients have to speak without; it was refused. It should use http:// or ws://, or the server has to listen "
        + "there with a certificate: options.Listen(\"https://...\", TlsOptions.FromPem(...)). Further ones are logged as Debug.")]
    public partial void TlsClientOnPlain(EndPoint remoteEndPoint, EndPoint localEndPoint);

    [LoggerMessage(29, LogLevel.Warning,
        "Refused a connection from {RemoteEndPoint}: {Reason}. Each connection to this end point has to begin with a header of the PROXY protocol from a proxy in "
        + "options.TrustedProxies. Further ones are logged as Debug.")]
    public partial void ProxyHeaderRefused(EndPoint remoteEndPoint, string reason);

    [LoggerMessage(30, LogLevel.Debug, "Refused a connection from {RemoteEndPoint}: {Reason}")]
    public partial void ConnectionRefused(EndPoint remoteEndPoint, string reason);

    [LoggerMessage(31, LogLevel.Warning, "{Problem} New connections get the certificate of before.")]
    public partial void CertificateUnusable(string problem);

    [LoggerMessage(32, LogLevel.Information, "New connections get a new certificate for {Subject}, valid until {NotAfter}.")]
    public partial void CertificateRenewed(string subject, DateTime notAfter);

    [LoggerMessage(33, LogLevel.Warning, "The certificate for {Subject} expires at {NotAfter}. Renew it: a new file is used without a restart.")]
    public partial void CertificateExpires(string subject, DateTime notAfter);

    [LoggerMessage(34, LogLevel.Error, "The certificate for {Subject} has expired at {NotAfter}; clients refuse it. Renew it: a new file is used without a restart.")]
    public partial void CertificateExpired(string subject, DateTime notAfter);

    [LoggerMessage(35, LogLevel.Error, "The TLS handshake with {RemoteEndPoint} failed because the server's own TLS settings, or a callback in them, threw.")]
    public partial void TlsSettingsFailed(Exception exception, EndPoint remoteEndPoint);

    [LoggerMessage(36, LogLevel.Warning,
        "Refused a handshake for the path {Path} with 404, since the server has paths and none matches: {Templates}. To serve it: server.Path(\"{Template}\"), or server.Path(\"/{{*rest}}\") for every "
        + "other path. Further ones are logged as Debug.")]
    public partial void UnknownPathRefused(PeerText path, string templates, PeerText template);

    [LoggerMessage(37, LogLevel.Debug, "A handler could not read a message of {RemoteEndPoint} as JSON: {Reason}")]
    public partial void JsonInvalid(EndPoint remoteEndPoint, PeerText reason);

    [LoggerMessage(38, LogLevel.Information, "No longer ready for new clients. Those that are connected are told to go away in {Delay}.")]
    public partial void NotReady(TimeSpan delay);

    [LoggerMessage(39, LogLevel.Information, "{Count} clients did not leave cleanly: {Why}. Their ids: {Ids}.")]
    public partial void Cut(int count, CutReason why, string ids);

    [LoggerMessage(40, LogLevel.Warning,
        "A handler of the client at {RemoteEndPoint} has blocked the thread of its event loop for 100 ms. Another thread goes on with the other clients. Handlers that wait should be async; for handlers "
        + "that compute or block, the transport Sockets is the better one. Further ones are not logged.")]
    public partial void HandlerBlocksLoop(EndPoint remoteEndPoint);

    [LoggerMessage(41, LogLevel.Warning, "The backplane does not let this server subscribe. Its clients do not get what other servers send to some groups, users or topics. The server tries again.")]
    public partial void SubscribingFailed(Exception exception);

    [LoggerMessage(42, LogLevel.Warning, "A message of another server on the channel {Channel} was dropped: {Problem}. Run one version of the library on all servers. Further ones are not logged.")]
    public partial void BackplaneMessageUnknown(PeerText channel, string problem);

    [LoggerMessage(43, LogLevel.Error, "A message of another server on the channel {Channel} could not be passed on to the clients of this one.")]
    public partial void BackplaneMessageFailed(Exception exception, PeerText channel);

    [LoggerMessage(44, LogLevel.Warning, "The connection to the backplane was not closed properly.")]
    public partial void BackplaneNotClosed(Exception exception);
}
