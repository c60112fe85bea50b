using System.Security.Claims;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Clients;

public sealed class WebSocketClientGroupsTests : IDisposable
{
    private readonly ClientBench _bench = new();
    private readonly ClientRegistry _clients = new();

    public void Dispose() => _bench.Dispose();

    private WebSocketClient Add(ClaimsPrincipal? user = null)
    {
        WebSocketClient client = _bench.Client(user: user);
        _clients.Add(client);
        return client;
    }

    private static ClaimsPrincipal User(string? name, params (string Type, string Value)[] claims) =>
        new(new ClaimsIdentity([.. claims.Select(claim => new Claim(claim.Type, claim.Value)), .. name is null ? (Claim[])[] : [new(ClaimTypes.Name, name)]], "test"));

    private static string[] Sorted(IEnumerable<string> names) => [.. names.Order(StringComparer.Ordinal)];

    [Fact]
    public void A_client_joins_and_leaves_groups_and_is_told_whether_that_changed_anything()
    {
        WebSocketClient client = Add();
        Assert.True(client.Join("a"));
        Assert.False(client.Join("a"));
        Assert.True(client.Join("A"));
        Assert.Equal((true, true, false), (client.IsIn("a"), client.IsIn("A"), client.IsIn("b")));
        Assert.Equal(["A", "a"], Sorted(client.Groups));
        Assert.True(client.Leave("a"));
        Assert.False(client.Leave("a"));
        Assert.False(client.Leave("b"));
        Assert.Equal((false, true), (client.IsIn("a"), client.IsIn("A")));
        Assert.Equal(["A"], client.Groups);
    }

    [Fact]
    public void A_client_gets_and_loses_tags_and_a_tag_is_no_group()
    {
        WebSocketClient client = Add();
        Assert.True(client.AddTag("a"));
        Assert.False(client.AddTag("a"));
        Assert.True(client.Join("g"));
        Assert.Equal((true, false, false), (client.HasTag("a"), client.HasTag("g"), client.IsIn("a")));
        Assert.Equal(["a"], client.Tags);
        Assert.Equal(["g"], client.Groups);
        Assert.True(client.RemoveTag("a"));
        Assert.False(client.RemoveTag("a"));
        Assert.False(client.RemoveTag("g"));
        Assert.Empty(client.Tags);
    }

    [Fact]
    public void Who_has_left_is_in_no_group_and_joins_none_and_keeps_its_tags()
    {
        WebSocketClient client = Add();
        client.Join("a");
        client.Join("b");
        client.AddTag("t");
        client.AddTag("u");
        client.RemoveTag("u");
        _clients.Remove(client);
        Assert.Empty(client.Groups);
        Assert.Equal(["a", "b"], Sorted(client.LeftGroups));
        Assert.Equal((false, false), (client.IsIn("a"), client.Leave("a")));
        Assert.Equal((false, false), (client.Join("a"), client.Join("c")));
        Assert.Equal(["t"], client.Tags);
        Assert.Equal((true, false, false), (client.HasTag("t"), client.HasTag("u"), client.AddTag("v")));
        Assert.False(client.RemoveTag("t"));
        Assert.True(client.HasTag("t"));
        Assert.Empty(_clients.Groups);
        Assert.Null(_clients.ByTag.Find("t"));
    }

    [Fact]
    public void Who_is_not_registered_yet_or_has_joined_nothing_has_no_groups_and_tags()
    {
        WebSocketClient early = _bench.Client(), idle = Add();
        Assert.False(early.Join("a") || early.AddTag("a") || early.Leave("a") || early.RemoveTag("a") || early.IsIn("a") || early.HasTag("a"));
        Assert.All([early, idle], client => Assert.Empty(client.Groups.Concat(client.Tags).Concat(client.LeftGroups)));
        Assert.False(idle.IsIn("a") || idle.HasTag("a") || idle.Leave("a"));
        _clients.Remove(idle);
        Assert.False(idle.Join("a") || idle.AddTag("a") || idle.IsIn("a") || idle.HasTag("a"));
        Assert.Empty(idle.Groups.Concat(idle.Tags).Concat(idle.LeftGroups));
    }

    [Fact]
    public void A_client_without_groups_and_tags_has_no_object_of_its_own_for_them()
    {
        WebSocketClient first = Add(), second = Add(), member = Add();
        member.Join("a");
        Assert.False(first.Leave("a"));
        Assert.Same(first.Memberships, second.Memberships);
        Assert.NotSame(first.Memberships, member.Memberships);
    }

    [Theory]
    [InlineData("")]
    [InlineData(null)]
    public void A_name_that_is_empty_is_refused(string? name)
    {
        WebSocketClient client = Add();
        Action[] calls = [
            () => client.Join(name!), () => client.Leave(name!), () => client.IsIn(name!),
            () => client.AddTag(name!), () => client.RemoveTag(name!), () => client.HasTag(name!)];
        Assert.Equal(["group", "group", "group", "tag", "tag", "tag"], calls.Select(call => Assert.ThrowsAny<ArgumentException>(call).ParamName), StringComparer.Ordinal);
    }

    [Fact]
    public void A_snapshot_of_groups_or_tags_does_not_change()
    {
        WebSocketClient client = Add();
        client.Join("a");
        client.AddTag("t");
        IReadOnlyList<string> groups = client.Groups, tags = client.Tags;
        client.Join("b");
        client.RemoveTag("t");
        Assert.Equal(["a"], groups);
        Assert.Equal(["t"], tags);
    }

    [Fact]
    public void A_user_is_known_by_the_name_identifier_or_else_the_subject_or_else_the_name()
    {
        Assert.Null(Add().UserId);
        Assert.Null(Add(User(null)).UserId);
        Assert.Null(Add(new ClaimsPrincipal()).UserId);
        Assert.Equal("Ada", Add(User("Ada")).UserId);
        Assert.Equal("s1", Add(User("Ada", ("sub", "s1"))).UserId);
        Assert.Equal("n1", Add(User("Ada", ("sub", "s1"), (ClaimTypes.NameIdentifier, "n1"))).UserId);
        Assert.Equal("s1", Add(User("Ada", ("sub", "s1"), (ClaimTypes.NameIdentifier, ""))).UserId);
        Assert.Null(Add(User("")).UserId);
    }

    [Fact]
    public void A_client_of_ten_thousand_groups_leaves_all_of_them()
    {
        WebSocketClient client = Add(), stays = Add();
        for (int i = 0; i < 10_000; i++)
            Assert.True(client.Join($"{i}"));
        stays.Join("7");
        _clients.Remove(client);
        Assert.Equal(["7"], _clients.Groups);
        Assert.Equal([stays], _clients.InGroup("7"));
        Assert.Equal(10_000, client.LeftGroups.Count);
        Assert.Empty(client.Memberships!.Places);
    }
}
