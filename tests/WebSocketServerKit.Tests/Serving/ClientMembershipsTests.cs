namespace WebSocketServerKit.Serving;

public sealed class ClientMembershipsTests
{
    [Fact]
    public void Tells_groups_and_tags_apart_and_keeps_both_when_the_client_leaves()
    {
        var registry = new ClientRegistry();
        var memberships = new ClientMemberships(registry);
        Assert.Same(registry, memberships.Registry);
        memberships.Places.Add(new ClientSet(ClientSetKind.Group, "g"), 0);
        memberships.Places.Add(new ClientSet(ClientSetKind.Tag, "t"), 0);
        Assert.Equal(["g"], memberships.KeysOf(ClientSetKind.Group));
        Assert.Equal(["t"], memberships.Tags);
        Assert.Null(memberships.LeftTags);
        Assert.Empty(memberships.LeftGroups);

        memberships.Keep();
        memberships.Places.Clear();
        Assert.Empty(memberships.KeysOf(ClientSetKind.Group));
        Assert.Equal(["g"], memberships.LeftGroups);
        Assert.Equal(["t"], memberships.Tags);
    }
}
