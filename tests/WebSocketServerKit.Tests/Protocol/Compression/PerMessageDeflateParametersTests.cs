namespace WebSocketServerKit.Protocol.Compression;

public sealed class PerMessageDeflateParametersTests
{
    private static readonly PerMessageDeflateParameters Everything = new(ServerNoContextTakeover: false, ClientNoContextTakeover: false);
    private static readonly PerMessageDeflateParameters NoContexts = new(ServerNoContextTakeover: true, ClientNoContextTakeover: true);

    private static string? Answer(string? offers, PerMessageDeflateParameters wanted)
    {
        PerMessageDeflateParameters? agreed = PerMessageDeflateParameters.Negotiate(offers, wanted, out string? answer);
        Assert.Equal(answer is null, agreed is null);
        if (agreed is { } parameters)
        {
            // The answer says what was agreed on, and nothing that was not.
            Assert.Equal(parameters.ServerNoContextTakeover, answer!.Contains("server_no_context_takeover", StringComparison.Ordinal));
            Assert.Equal(parameters.ClientNoContextTakeover, answer.Contains("client_no_context_takeover", StringComparison.Ordinal));
            Assert.Equal(parameters.ServerMaxWindowBits < 15, answer.Contains($"server_max_window_bits={parameters.ServerMaxWindowBits}", StringComparison.Ordinal) && parameters.ServerMaxWindowBits != 15);
            Assert.Equal(parameters.ClientMaxWindowBits < 15, answer.Contains($"client_max_window_bits={parameters.ClientMaxWindowBits}", StringComparison.Ordinal));
        }

        return answer;
    }

    [Theory]
    [InlineData("permessage-deflate", "permessage-deflate")]
    [InlineData("permessage-deflate; client_max_window_bits", "permessage-deflate")]
    [InlineData("permessage-deflate; client_max_window_bits=15", "permessage-deflate")]
    [InlineData("permessage-deflate; client_max_window_bits=10", "permessage-deflate; client_max_window_bits=10")]
    [InlineData("permessage-deflate; server_no_context_takeover", "permessage-deflate; server_no_context_takeover")]
    [InlineData("permessage-deflate; client_no_context_takeover", "permessage-deflate; client_no_context_takeover")]
    [InlineData("permessage-deflate; server_max_window_bits=15", "permessage-deflate; server_max_window_bits=15")]
    [InlineData("permessage-deflate; server_max_window_bits=\"15\"", "permessage-deflate; server_max_window_bits=15")]
    [InlineData("permessage-deflate; server_max_window_bits=9", "permessage-deflate; server_no_context_takeover; server_max_window_bits=9")]
    [InlineData("permessage-deflate; server_max_window_bits=8; client_max_window_bits=8", "permessage-deflate; server_no_context_takeover; server_max_window_bits=8; client_max_window_bits=8")]
    [InlineData(
        "permessage-deflate; client_no_context_takeover; server_no_context_takeover; client_max_window_bits=14; server_max_window_bits=14",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=14; client_max_window_bits=14")]
    public void Agrees_to_what_a_client_offers(string offers, string answer) => Assert.Equal(answer, Answer(offers, Everything));

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("x-webkit-deflate-frame")]
    [InlineData("Permessage-deflate")]
    [InlineData("permessage-deflate; unknown")]
    [InlineData("permessage-deflate; Server_no_context_takeover")]
    [InlineData("permessage-deflate; server_no_context_takeover=1")]
    [InlineData("permessage-deflate; client_no_context_takeover=true")]
    [InlineData("permessage-deflate; server_no_context_takeover; server_no_context_takeover")]
    [InlineData("permessage-deflate; client_no_context_takeover; client_no_context_takeover")]
    [InlineData("permessage-deflate; server_max_window_bits")]
    [InlineData("permessage-deflate; server_max_window_bits=7")]
    [InlineData("permessage-deflate; server_max_window_bits=16")]
    [InlineData("permessage-deflate; server_max_window_bits=010")]
    [InlineData("permessage-deflate; server_max_window_bits=08")]
    [InlineData("permessage-deflate; server_max_window_bits=1")]
    [InlineData("permessage-deflate; server_max_window_bits=150")]
    [InlineData("permessage-deflate; server_max_window_bits=1a")]
    [InlineData("permessage-deflate; server_max_window_bits=10; server_max_window_bits=10")]
    [InlineData("permessage-deflate; client_max_window_bits=7")]
    [InlineData("permessage-deflate; client_max_window_bits=16")]
    [InlineData("permessage-deflate; client_max_window_bits; client_max_window_bits")]
    [InlineData("permessage-deflate; client_max_window_bits; client_max_window_bits=10")]
    [InlineData("permessage-deflate; client_max_window_bits=x")]
    public void Declines_an_offer_that_breaks_the_rules(string? offers)
    {
        Assert.Null(Answer(offers, Everything));
        // 5: another offer behind it is not concerned.
        if (!string.IsNullOrEmpty(offers))
            Assert.Equal("permessage-deflate", Answer($"{offers}, permessage-deflate", Everything));
    }

    [Fact]
    public void Takes_the_first_offer_of_several_that_it_can_accept() => Assert.Equal(
        "permessage-deflate; client_max_window_bits=9",
        Answer("foo; bar=1, permessage-deflate; server_max_window_bits=99, permessage-deflate; client_max_window_bits=9, permessage-deflate", Everything));

    [Fact]
    public void Asks_for_what_the_server_wants_whatever_is_offered()
    {
        Assert.Equal("permessage-deflate; server_no_context_takeover; client_no_context_takeover", Answer("permessage-deflate", NoContexts));
        Assert.Equal(
            "permessage-deflate; server_no_context_takeover; server_max_window_bits=10", Answer("permessage-deflate", Everything with { ServerMaxWindowBits = 10 }));
        Assert.Equal(
            "permessage-deflate; server_no_context_takeover; server_max_window_bits=9",
            Answer("permessage-deflate; server_max_window_bits=9", Everything with { ServerMaxWindowBits = 10 }));
        Assert.Equal(
            "permessage-deflate; server_no_context_takeover; server_max_window_bits=10",
            Answer("permessage-deflate; server_max_window_bits=11", Everything with { ServerMaxWindowBits = 10 }));
    }

    [Fact]
    public void Limits_the_clients_window_only_if_the_client_allows_it()
    {
        PerMessageDeflateParameters wanted = Everything with { ClientMaxWindowBits = 10 };
        Assert.Equal("permessage-deflate", Answer("permessage-deflate", wanted));
        Assert.Equal("permessage-deflate; client_max_window_bits=10", Answer("permessage-deflate; client_max_window_bits", wanted));
        Assert.Equal("permessage-deflate; client_max_window_bits=9", Answer("permessage-deflate; client_max_window_bits=9", wanted));
        Assert.Equal("permessage-deflate; client_max_window_bits=10", Answer("permessage-deflate; client_max_window_bits=11", wanted));
    }

    [Fact]
    public void Tells_whether_anything_is_kept_between_messages()
    {
        Assert.True(Everything.HasContextTakeover);
        Assert.True((Everything with { ServerNoContextTakeover = true }).HasContextTakeover);
        Assert.True((Everything with { ClientNoContextTakeover = true }).HasContextTakeover);
        Assert.False(NoContexts.HasContextTakeover);
        Assert.Equal(NoContexts, Everything.WithoutContextTakeover());
    }
}
