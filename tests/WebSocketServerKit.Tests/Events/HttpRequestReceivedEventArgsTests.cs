using System.Net;
using WebSocketServerKit.Protocol.Handshake;

namespace WebSocketServerKit.Events;

public sealed class HttpRequestReceivedEventArgsTests
{
    private readonly HttpRequestReceivedEventArgs _request = new(
        RequestHeads.Parse(RequestHeads.Get()), IPEndPoint.Parse("203.0.113.7:1"), IPEndPoint.Parse("192.0.2.1:80"));

    [Fact]
    public void It_is_answered_with_text_or_bytes_and_the_last_answer_counts()
    {
        Assert.False(_request.IsAnswered);
        _request.Respond(HttpStatusCode.OK, "grüße");
        Assert.True(_request.IsAnswered);
        Assert.Equal("grüße"u8, _request.Answer!.Body.Span);
        Assert.Contains(new("Content-Type", "text/plain; charset=utf-8"), _request.Answer.Headers);

        _request.Respond(HttpStatusCode.NotFound, new byte[] { 1, 2 }, "image/png", [new("Cache-Control", "no-store")]);
        Assert.Equal((HttpStatusCode.NotFound, 2), (_request.Answer.Status, _request.Answer.Body.Length));
        Assert.Contains(new("Content-Type", "image/png"), _request.Answer.Headers);
        Assert.Contains(new("Cache-Control", "no-store"), _request.Answer.Headers);
    }

    [Fact]
    public void What_is_no_answer_is_refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => _request.Respond(HttpStatusCode.SwitchingProtocols, ""));
        Assert.Throws<ArgumentException>(() => _request.Respond(HttpStatusCode.NoContent, "a body"));
        Assert.Throws<ArgumentException>(() => _request.Respond(HttpStatusCode.OK, "", "text/plain\r\nX: y"));
        foreach (string contentType in (string[])["<p>Hello</p>", "text", "text/", "/html", "text/html charset=utf-8"])
            Assert.Contains("is no content type", Assert.Throws<ArgumentException>("contentType", () => _request.Respond(HttpStatusCode.OK, "", contentType)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentNullException>("body", () => _request.Respond(HttpStatusCode.OK, (string)null!));
        Assert.Throws<ArgumentNullException>("value", () => _request.Respond(HttpStatusCode.OK, "", headers: [new("X", null!)]));
        Assert.False(_request.IsAnswered);
    }

    [Fact]
    public void Once_its_handlers_have_ended_an_answer_throws_and_says_why()
    {
        _request.Decide();
        InvalidOperationException late = Assert.Throws<InvalidOperationException>(() => _request.Respond(HttpStatusCode.OK, "late"));
        Assert.Contains("async lambda", late.Message, StringComparison.Ordinal);
        Assert.False(_request.IsAnswered);
    }

    [Fact]
    public void One_string_that_many_ask_for_is_encoded_once()
    {
        string page = new('x', 100_000);
        _request.Respond(HttpStatusCode.OK, page);
        ReadOnlyMemory<byte> first = _request.Answer!.Body;
        _request.Respond(HttpStatusCode.OK, page, "text/html");
        Assert.True(first.Equals(_request.Answer.Body));
        _request.Respond(HttpStatusCode.OK, "y" + page[1..]);
        Assert.False(first.Equals(_request.Answer.Body));
    }
}
