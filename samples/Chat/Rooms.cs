using System.Text.Json;
using StackExchange.Redis;
using WebSocketServerKit;

namespace ChatSample;

/// <summary>A room is a group of clients, and has a history.</summary>
internal abstract class Room(string name, ClientRegistry clients)
{
    protected const int HistoryLength = 50;

    private readonly Lock _telling = new();

    protected string Name => name;

    protected ClientSelection Present { get; } = clients.InGroup(name);

    public abstract Task EnterAsync(WebSocketClient client, string? after);

    public virtual void Leave(WebSocketClient client)
    {
        if (client.Leave(name))
            TellWhoIsThere();
    }

    public abstract Task SayAsync(WebSocketClient client, string text);

    public void TellWhoIsThere()
    {
        lock (_telling) // the newest list comes last
            Present.BroadcastJson(new ToClient { Room = name, Present = [.. Present.Select(client => client.GetState<string>()).Order(StringComparer.CurrentCulture)] }, Json.Default.ToClient);
    }
}

/// <summary>A room of this server alone. The lock keeps group and history in step: who enters misses no message and sees none twice.</summary>
internal sealed class LocalRoom(string name, ClientRegistry clients) : Room(name, clients)
{
    private readonly Lock _gate = new();
    private readonly Queue<PreparedMessage> _history = new();

    public override Task EnterAsync(WebSocketClient client, string? after)
    {
        lock (_gate)
        {
            if (!client.Join(Name))
                return Task.CompletedTask;
            foreach (PreparedMessage message in _history)
                client.TrySend(message);
            TellWhoIsThere();
        }

        return Task.CompletedTask;
    }

    public override Task SayAsync(WebSocketClient client, string text)
    {
        PreparedMessage message = PreparedMessage.FromJson(new ToClient { Room = Name, From = client.GetState<string>(), Text = text, At = DateTimeOffset.UtcNow }, Json.Default.ToClient);
        lock (_gate)
        {
            if (!client.IsIn(Name))
                return Task.CompletedTask;
            _history.Enqueue(message);
            if (_history.Count > HistoryLength)
                _history.Dequeue();
            Present.Broadcast(message);
        }

        return Task.CompletedTask;
    }
}

/// <summary>A room of all servers that use the same Redis. A client that comes back with its last offset gets what it has missed. Who is present is told of this server alone.</summary>
internal sealed class SharedRoom(string name, ClientRegistry clients, RedisHistory history) : Room(name, clients)
{
    public static RedisHistory HistoryIn(IConnectionMultiplexer redis)
    {
        RedisHistory history = new(redis, "chat", new RedisHistoryOptions { Format = ToClient });
        history.Gap += (_, e) => e.Client.TrySendJson(new ToClient { Room = e.Stream, Note = "messages are missing here" }, Json.Default.ToClient);
        return history;
    }

    public override async Task EnterAsync(WebSocketClient client, string? after)
    {
        if (!client.Join(Name))
            return;
        TellWhoIsThere();
        HistoryOffset? from = HistoryOffset.TryParse(after, out HistoryOffset offset) ? offset : null;
        await history.ResumeAsync(client, Name, from, last: HistoryLength); // without Redis it throws, which closes the client: it comes again
    }

    public override void Leave(WebSocketClient client)
    {
        history.Leave(client, Name);
        base.Leave(client);
    }

    public override async Task SayAsync(WebSocketClient client, string text)
    {
        if (!client.IsIn(Name))
            return;
        ToClient said = new() { Room = Name, From = client.GetState<string>(), Text = text };
        try
        {
            await history.PublishAsync(Name, JsonSerializer.SerializeToUtf8Bytes(said, Json.Default.ToClient));
        }
        catch (Exception exception) when (exception is RedisException or TimeoutException)
        {
            client.TrySendJson(new ToClient { Room = Name, Note = $"perhaps not said: {text}" }, Json.Default.ToClient);
        }
    }

    private static PreparedMessage ToClient(HistoryMessage message)
    {
        ToClient said = JsonSerializer.Deserialize(message.Payload.Span, Json.Default.ToClient)!;
        return PreparedMessage.FromJson(said with { At = message.Time, Offset = message.Offset.ToString() }, Json.Default.ToClient);
    }
}
