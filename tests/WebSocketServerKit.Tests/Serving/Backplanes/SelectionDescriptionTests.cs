using System.Net;
using System.Security.Claims;
using CsCheck;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Serving.Backplanes;

public sealed class SelectionDescriptionTests : IDisposable
{
    private readonly ClientBench _bench = new();
    private readonly ClientRegistry _here = new();
    private readonly ClientRegistry _there = new();
    private readonly List<WebSocketClient> _clientsThere = [];

    public SelectionDescriptionTests()
    {
        // One client for each combination.
        for (int i = 0; i < 64; i++)
        {
            WebSocketClient client = _bench.Client(
                (i & 1) == 0 ? "/p" : "/q", (i & 2) == 0 ? "203.0.113.7" : "203.0.113.8", user: (i & 4) == 0 ? null : new ClaimsPrincipal(new ClaimsIdentity([new Claim("sub", "ada")])));
            _there.Add(client);
            _clientsThere.Add(client);
            if ((i & 8) == 0)
                client.Join("a");
            if ((i & 16) == 0)
                client.AddTag("x");
            if ((i & 32) == 0)
                client.Subscribe("prices/+");
        }
    }

    public void Dispose() => _bench.Dispose();

    private ClientSelection Carry(ClientSelection selection) => SelectionDescription.Read(SelectionDescription.Of(selection), _there) ?? throw new InvalidOperationException("It cannot be read.");

    [Fact]
    public void Groups_whose_names_are_no_text_are_not_mixed_up()
    {
        _clientsThere[0].Join("\uD83D");
        _clientsThere[1].Join("\uFFFD");
        Assert.Equal([_clientsThere[0]], Carry(_here.InGroup("\uD83D")));
        Assert.Equal([_clientsThere[1]], Carry(_here.InAnyGroup("\uFFFD", "\uDE00")));
    }

    [Theory]
    [InlineData("all")]
    [InlineData("group")]
    [InlineData("any group")]
    [InlineData("tag")]
    [InlineData("user")]
    [InlineData("path")]
    [InlineData("address")]
    [InlineData("topic")]
    [InlineData("several")]
    [InlineData("except")]
    [InlineData("except in except")]
    public void On_another_server_it_selects_what_it_would_select_there(string which)
    {
        ClientSelection Select(ClientRegistry clients) => which switch
        {
            "group" => clients.InGroup("a"),
            "any group" => clients.InAnyGroup("a", "nobody"),
            "tag" => clients.WithTag("x"),
            "user" => clients.WithUser("ada"),
            "path" => clients.WithPath("/q"),
            "address" => clients.WithRemoteAddress(IPAddress.Parse("203.0.113.8")),
            "topic" => clients.SubscribedTo("prices/EURUSD"),
            "several" => clients.InGroup("a").WithTag("x").WithPath("/p"),
            "except" => clients.InGroup("a").Except(clients.WithTag("x").WithPath("/p")),
            "except in except" => clients.Except(clients.InGroup("a").Except(clients.WithTag("x"))),
            _ => clients,
        };
        WebSocketClient[] expected = [.. Select(_there).OrderBy(client => client.Id)];
        Assert.NotEmpty(expected);
        Assert.Equal(expected, Carry(Select(_here)).OrderBy(client => client.Id));
    }

    [Fact]
    public void One_client_is_found_on_its_server_alone()
    {
        WebSocketClient client = _clientsThere[5];
        Assert.Equal([client], Carry(_here.WithGlobalId(client.GlobalId)));
        Assert.Empty(Carry(_here.WithGlobalId(new GlobalClientId(_here.NodeId, client.Id))));
        Assert.Empty(_here.WithGlobalId(client.GlobalId));
    }

    [Fact]
    public void Clients_of_this_server_that_are_left_out_are_not_described()
    {
        WebSocketClient own = _bench.Client("/", "203.0.113.7");
        _here.Add(own);
        Assert.Equal(64, Carry(_here.Except(own)).Count);
        Assert.Equal(64, Carry(_here.Except(_here.WithTag("x").OnThisServer())).Count);
    }

    [Fact]
    public void Damaged_bytes_select_nobody()
    {
        ReadOnlyMemory<byte> bytes = SelectionDescription.Of(_here.InGroup("a").Except(_here.InAnyGroup("b", "c")).SubscribedTo("t"));
        Assert.NotNull(SelectionDescription.Read(bytes, _there));
        Gen.Int[1, bytes.Length - 1].Sample(length =>
        {
            if (SelectionDescription.Read(bytes[..length], _there) is { } selection)
                _ = selection.Count; // it was cut between two links
        });
        Gen.Byte.Array[1, 40].Sample(any =>
        {
            if (SelectionDescription.Read(any, _there) is { } selection)
                _ = selection.Count;
        });
        Assert.Null(SelectionDescription.Read(new byte[] { 99, 1, 65 }, _there)); // an unknown link must not select more
        Assert.Null(SelectionDescription.Read(new byte[] { 1, 0 }, _there));
        Assert.Null(SelectionDescription.Read(new byte[] { 7, 1, (byte)'#' }, _there));
    }

    [Fact]
    public void Others_within_others_have_a_limit()
    {
        ClientSelection deep = _here.InGroup("a");
        for (int i = 0; i < 16; i++)
            deep = _here.Except(deep);
        Assert.NotNull(SelectionDescription.Read(SelectionDescription.Of(deep), _there));
        Assert.Null(SelectionDescription.Read(SelectionDescription.Of(_here.Except(deep)), _there));
    }
}
