using WebSocketServerKit.Conformance.Rules;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Conformance.Tls;

// The same cases and rules, once more over TLS. The table of results is the same.

[OverTls]
public class ConformanceSuiteOverTlsTests(EchoServer server, ResultTable results) : ConformanceSuiteTests(server, results);

[OverTls]
public class ClosingRuleOverTlsTests(EchoServer echo) : ClosingRuleTests(echo);

[OverTls]
public class CompressionRuleOverTlsTests(EchoServer server) : CompressionRuleTests(server);

[OverTls]
public class FramingRuleOverTlsTests(EchoServer server) : FramingRuleTests(server);

[OverTls]
public class HandshakeRuleOverTlsTests : HandshakeRuleTests;
