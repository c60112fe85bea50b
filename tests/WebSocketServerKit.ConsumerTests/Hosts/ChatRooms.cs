using System.Net;
using WebSocketServerKit;

namespace Consumers.Hosts;

/// <summary>A chat whose rooms are paths: <c>ws://…/chat/{room}?name={you}</c>.</summary>
internal sealed class ChatRooms(string url) : IAsyncDisposable
{
    private const string Prefix = "/chat/";

    private readonly WebSocketServer _server = new(url);

    private sealed record Member(string Room, string Name);

    public EndPoint EndPoint => _server.EndPoints[0];

    public async Task StartAsync()
    {
        _server.Handshaking += (_, e) =>
        {
            if (e.Request.Path.StartsWith(Prefix, StringComparison.Ordinal) && e.Request.Query["name"] is { } name)
                e.State = new Member(e.Request.Path[Prefix.Length..], name);
            else
                e.Refuse(HttpStatusCode.NotFound, "Connect to /chat/{room}?name={you}.");
        };
        _server.ClientConnected += (_, e) =>
        {
            e.Client.Join(e.Client.GetState<Member>().Room);
            Tell(e.Client, "came in");
        };
        _server.MessageReceived += (_, e) => Tell(e.Client, e.IsText ? $"says {e.Text}" : "sends something");
        _server.ClientDisconnected += (_, e) => Tell(e.Client, e.CloseCode == 4000 ? $"was thrown out: {e.CloseReason}" : "left");
        await _server.StartAsync();
    }

    public Task ThrowOutAsync(string name) =>
        _server.Clients.Where(client => client.GetState<Member>().Name == name).CloseAsync(4000, "mind your words");

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    private void Tell(WebSocketClient who, string what)
    {
        Member member = who.GetState<Member>();
        _server.Clients.InGroup(member.Room).Broadcast($"{member.Name} {what}");
    }
}
