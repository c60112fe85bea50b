using System.Net;
using System.Text.Json.Serialization;

namespace WebSocketServerKit.Docs;

internal sealed record Present(string Room, string[] Names);

[JsonSerializable(typeof(Present))]
internal sealed partial class RoomJson : JsonSerializerContext;

internal sealed class Room(WebSocketServer server, string name)
{
    private readonly Lock _gate = new();
    private readonly ClientSelection _members = server.Clients.InGroup(name);

    public void Enter(WebSocketClient client)
    {
        client.Join(name);
        TellWhoIsHere();
    }

    public void TellWhoIsHere() // after a client has come, and in ClientDisconnected
    {
        lock (_gate) // so the list that was made last is sent last
        {
            string[] names = [.. _members.Select(member => member.GetState<string>()).Order(StringComparer.Ordinal)];
            _members.BroadcastLatest($"present:{name}", PreparedMessage.FromJson(new Present(name, names), RoomJson.Default.Present));
        }
    }
}

/// <summary>The C# of docs/rooms.md, as it stands there.</summary>
internal static class RoomsGuide
{
    public static void Rooms(WebSocketServer server)
    {
        WebSocketPath rooms = server.Path("/rooms/{room}");
        rooms.Handshaking += (_, e) =>
        {
            string name = (e.Request.Query["name"] ?? "").Trim();
            if (name.Length is 0 or > 32 || e.PathValues["room"].Length > 32)
                e.Refuse(HttpStatusCode.BadRequest, "Say who you are: /rooms/lobby?name=Ann, with 1 to 32 characters each.\n");
            e.State = name;
        };
        rooms.ClientConnected += (_, e) =>
        {
            string room = e.Client.PathValues["room"];
            e.Client.Join(room);
            server.Clients.InGroup(room).Except(e.Client).Broadcast($"{e.Client.GetState<string>()} has come");
        };
        rooms.MessageReceived += (_, e) =>
            server.Clients.InGroup(e.Client.PathValues["room"]).Broadcast($"{e.Client.GetState<string>()}: {e.Text}");
        rooms.ClientDisconnected += (_, e) =>
            server.Clients.InAnyGroup([.. e.Groups]).Broadcast($"{e.Client.GetState<string>()} has left");
    }

    public static async Task TellWhoIsOnlineAsync(WebSocketServer server, CancellationToken stopping)
    {
        Dictionary<string, int> windows = []; // of each user; only this loop touches it
        await foreach (ClientChange change in server.Clients.WatchAsync(stopping))
        {
            if (change.Kind == ClientChangeKind.Changed || change.Client.UserId is not { } user)
                continue;
            int before = windows.GetValueOrDefault(user);
            int now = change.Kind == ClientChangeKind.Connected ? before + 1 : before - 1;
            if (now == 0)
                windows.Remove(user);
            else
                windows[user] = now;

            if (before == 0)
                server.Clients.Except(change.Client).Broadcast($"{user} is online");
            if (now == 0)
                server.Clients.Broadcast($"{user} is offline");
            if (change.Kind == ClientChangeKind.Connected)
                change.Client.TrySend($"online: {string.Join(", ", windows.Keys.Order(StringComparer.Ordinal))}");
        }
    }
}
