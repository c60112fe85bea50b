using System.Security.Authentication;
using WebSocketServerKit.Attacks;
using WebSocketServerKit.Contract;
using WebSocketServerKit.Limits;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Tls;

// Whatever the server promises it promises over TLS too: the same tests, once more.

[OverTls]
public class OverTlsTests
{
    [Fact]
    public async Task These_tests_do_run_over_TLS()
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        (TestClient raw, WebSocketClient client) = await server.ConnectAsync();
        using (raw)
            Assert.Equal(SslProtocols.Tls13, client.Tls?.Protocol);
    }
}

[OverTls]
public class EndOfAClientOverTlsTests : EndOfAClientTests;

[OverTls(Protocols = SslProtocols.Tls12)]
public class EndOfAClientOverTls12Tests : EndOfAClientTests;

[OverTls]
public class GoneDuringHandlerOverTlsTests : GoneDuringHandlerTests;

[OverTls(Protocols = SslProtocols.Tls12)]
public class GoneDuringHandlerOverTls12Tests : GoneDuringHandlerTests;

[OverTls]
public class HandlerOverTlsTests : HandlerTests;

[OverTls]
public class OrderOfEventsOverTlsTests : OrderOfEventsTests;

[OverTls]
public class PayloadOverTlsTests : PayloadTests;

[OverTls]
public class ProgressOverTlsTests : ProgressTests;

[OverTls]
public class AdmissionOverTlsTests : AdmissionTests;

[OverTls]
public class MemoryBudgetOverTlsTests : MemoryBudgetTests;

[OverTls]
public class MessageLimitOverTlsTests : MessageLimitTests;

[OverTls]
public class RateLimitOverTlsTests : RateLimitTests;

[OverTls]
[Collection(nameof(AttackedServer))]
public class FrameAttackOverTlsTests : FrameAttackTests;

[OverTls]
[Collection(nameof(AttackedServer))]
public class SlowReaderAttackOverTlsTests : SlowReaderAttackTests;
