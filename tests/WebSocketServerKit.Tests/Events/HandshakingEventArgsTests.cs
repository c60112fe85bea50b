using System.Net;
using System.Security.Claims;
using WebSocketServerKit.Protocol.Handshake;

namespace WebSocketServerKit.Events;

public sealed class HandshakingEventArgsTests
{
    private readonly HandshakingEventArgs _handshake = new(
        RequestHeads.Parse(RequestHeads.Sample), IPEndPoint.Parse("203.0.113.7:1"), IPEndPoint.Parse("192.0.2.1:80"), "chat");

    [Fact]
    public void It_shows_the_request_and_what_was_selected()
    {
        Assert.Equal(("/chat", "chat"), (_handshake.Request.Path, _handshake.Subprotocol));
        Assert.Equal(("203.0.113.7:1", "192.0.2.1:80"), (_handshake.RemoteEndPoint.ToString(), _handshake.LocalEndPoint.ToString()));
        Assert.False(_handshake.IsRefused);
    }

    [Fact]
    public void A_handler_chooses_among_the_subprotocols_that_the_client_offered()
    {
        _handshake.Subprotocol = "superchat";
        Assert.Equal("superchat", _handshake.Subprotocol);
        _handshake.Subprotocol = null;
        Assert.Null(_handshake.Subprotocol);
        ArgumentException refusal = Assert.Throws<ArgumentException>(() => _handshake.Subprotocol = "mqtt");
        Assert.Contains("mqtt", refusal.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => _handshake.Subprotocol = "Chat");
        Assert.Null(_handshake.Subprotocol);
    }

    [Fact]
    public void The_last_refusal_counts()
    {
        _handshake.Refuse(HttpStatusCode.Unauthorized, "who are you?", headers: [new("WWW-Authenticate", "Basic")]);
        _handshake.Refuse(HttpStatusCode.Forbidden, "not you");
        Assert.True(_handshake.IsRefused);
        Assert.Equal(HttpStatusCode.Forbidden, _handshake.Refusal!.Status);
        Assert.Equal("not you"u8, _handshake.Refusal.Body.Span);
    }

    [Fact]
    public void What_is_no_refusal_is_refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => _handshake.Refuse(HttpStatusCode.OK));
        Assert.Throws<ArgumentException>(() => _handshake.Refuse(HttpStatusCode.Forbidden, headers: [new("Bad Name", "x")]));
        Assert.False(_handshake.IsRefused);
    }

    [Fact]
    public void Headers_are_checked_when_they_are_added()
    {
        _handshake.AddResponseHeader("Set-Cookie", "a=1");
        _handshake.AddResponseHeader("Set-Cookie", "b=2");
        Assert.Throws<ArgumentException>(() => _handshake.AddResponseHeader("X-Split", "a\r\nInjected: b"));
        Assert.Throws<ArgumentException>(() => _handshake.AddResponseHeader("X-Split", "a\u0085Injected: b"));
        Assert.Throws<ArgumentNullException>("value", () => _handshake.AddResponseHeader("X-Null", null!));
        Assert.Throws<ArgumentException>(() => _handshake.AddResponseHeader("Sec-WebSocket-Accept", "forged"));
        Assert.Equal([new("Set-Cookie", "a=1"), new("Set-Cookie", "b=2")], _handshake.ResponseHeaders);
    }

    [Fact]
    public async Task Handlers_that_go_on_side_by_side_lose_nothing_of_what_they_attach()
    {
        HandshakingEventArgs[] handshakes =
        [
            .. Enumerable.Range(0, 5_000).Select(_ => new HandshakingEventArgs(_handshake.Request, _handshake.RemoteEndPoint, _handshake.LocalEndPoint, subprotocol: null)),
        ];
        int arrivals = 0;
        void Handle(string handler)
        {
            for (int i = 0; i < handshakes.Length; i++)
            {
                // Both begin at the same moment: whoever comes first waits for the other.
                Interlocked.Increment(ref arrivals);
                SpinWait wait = default;
                while (Volatile.Read(ref arrivals) < 2 * (i + 1))
                    wait.SpinOnce();
                handshakes[i].AddResponseHeader("X-Handler", handler);
            }
        }

        await Task.WhenAll(((string[])["0", "1"]).Select(handler =>
            Task.Factory.StartNew(() => Handle(handler), TestContext.Current.CancellationToken, TaskCreationOptions.LongRunning, TaskScheduler.Default)));
        Assert.All(handshakes, handshake =>
        {
            Assert.Equal("01", string.Concat(handshake.ResponseHeaders!.Select(header => header.Value).Order(StringComparer.Ordinal)));
        });
    }

    [Fact]
    public void Once_decided_every_change_throws_and_says_why()
    {
        var user = new ClaimsPrincipal();
        _handshake.User = user;
        _handshake.Decide();
        Action[] changes =
        [
            () => _handshake.User = null,
            () => _handshake.Subprotocol = null,
            () => _handshake.AddResponseHeader("A", "b"),
            () => _handshake.Refuse(HttpStatusCode.Forbidden),
        ];
        Assert.All(changes, change => Assert.Contains("async lambda", Assert.Throws<InvalidOperationException>(change).Message, StringComparison.Ordinal));
        Assert.Same(user, _handshake.User);
        Assert.Equal("chat", _handshake.Subprotocol);
        Assert.False(_handshake.IsRefused);
    }

    [Fact]
    public void Options_are_made_when_a_handler_asks_for_them_and_are_the_same_for_all_handlers()
    {
        Assert.Null(_handshake.ChosenOptions);
        _handshake.Options.MaxMessageSize = 5;
        _handshake.Options.SendQueueLimit = 2000;
        Assert.Equal((5, 2000, null), (_handshake.ChosenOptions!.MaxMessageSize, _handshake.ChosenOptions.SendQueueLimit, _handshake.ChosenOptions.MaxBytesPerSecond));
    }

    [Fact]
    public void Options_that_are_set_after_the_decision_are_refused_or_have_no_effect()
    {
        ClientOptions kept = _handshake.Options;
        ClientOptions chosen = _handshake.ChosenOptions!;
        _handshake.Decide();
        kept.MaxMessageSize = 5;
        Assert.Null(chosen.MaxMessageSize);
        Assert.Throws<InvalidOperationException>(() => _handshake.Options);
    }
}
