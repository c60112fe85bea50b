using System.Net;
using System.Text.Json;
using System.Text.Json.Serialization;
using WebSocketServerKit;

namespace WebSocketChat._1;

/// <summary>Rooms are paths: a client connects to <c>/rooms/lobby?name=Ann</c>, and sends text. A room exists while somebody is in it.</summary>
internal sealed class Chat(WebSocketServer server)
{
    private const int MaxNameLength = 32;
    private const int MaxTextLength = 1_000;

    private readonly Lock _telling = new();

    public void Serve()
    {
        WebSocketPath rooms = server.Path("/rooms/{room}");
        rooms.Handshaking += CheckNames;
        rooms.ClientConnected += (_, e) =>
        {
            e.Client.Join(RoomOf(e.Client));
            TellWhoIsHere(RoomOf(e.Client));
        };
        rooms.MessageReceived += (_, e) => Say(e.Client, e.Text.Trim());
        rooms.ClientDisconnected += (_, e) => TellWhoIsHere(RoomOf(e.Client));
    }

    // Others see these names, and each one takes memory.
    private static void CheckNames(object? sender, HandshakingEventArgs e)
    {
        string name = (e.Request.Query["name"] ?? "").Trim();
        if (!IsName(name) || !IsName(e.PathValues["room"]))
            e.Refuse(HttpStatusCode.BadRequest, $"Say who you are: /rooms/lobby?name=Ann, with 1 to {MaxNameLength} characters each.\n");
        e.State = name;
    }

    private static bool IsName(string name) => name.Length is > 0 and <= MaxNameLength && !name.Any(char.IsControl);

    private static string RoomOf(WebSocketClient client) => client.PathValues["room"];

    private void Say(WebSocketClient client, string text)
    {
        if (text.Length is > 0 and <= MaxTextLength)
            server.Clients.InGroup(RoomOf(client)).BroadcastJson(new ToClient { From = client.GetState<string>(), Text = text }, ChatJson.Default.ToClient);
    }

    private void TellWhoIsHere(string room)
    {
        // Clients come and go at the same time: with the lock the list that was made last is sent last.
        lock (_telling)
        {
            ClientSelection members = server.Clients.InGroup(room);
            string[] names = [.. members.Select(member => member.GetState<string>()).Order(StringComparer.Ordinal)];
            members.BroadcastLatest("present", PreparedMessage.FromJson(new ToClient { Present = names }, ChatJson.Default.ToClient));
        }
    }
}

/// <summary>What a client gets: who is in its room, or what somebody has said there.</summary>
internal sealed record ToClient
{
    public string[]? Present { get; init; }

    public string? From { get; init; }

    public string? Text { get; init; }
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ToClient))]
internal sealed partial class ChatJson : JsonSerializerContext;
