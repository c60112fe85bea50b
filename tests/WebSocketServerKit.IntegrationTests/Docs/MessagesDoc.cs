using System.Text.Json.Serialization;

namespace WebSocketServerKit.Docs;

internal sealed record Order(string Item, int Count);

internal sealed record Receipt(string Item, decimal Price);

[JsonSerializable(typeof(Order))]
[JsonSerializable(typeof(Receipt))]
internal sealed partial class ShopJson : JsonSerializerContext;

internal sealed record Question(int Number, string Text);

internal sealed record Answer(int Number, string Text);

[JsonSerializable(typeof(Question))]
[JsonSerializable(typeof(Answer))]
internal sealed partial class DeviceJson : JsonSerializerContext;

internal sealed record Pair(long Partner);

/// <summary>The examples of docs/messages.md, as they stand there.</summary>
internal static class MessagesDoc
{
    private static int _lastNumber;

    public static void Json(WebSocketServer server)
    {
        server.OnMessage(async (client, message) =>
        {
            Order order = message.ReadJson(ShopJson.Default.Order);
            await client.SendJsonAsync(new Receipt(order.Item, order.Count * 2.5m), ShopJson.Default.Receipt);
            server.Clients.WithTag("kitchen").BroadcastJson(order, ShopJson.Default.Order);
        });
    }

    public static void Prepared(WebSocketServer server)
    {
        PreparedMessage welcome = PreparedMessage.FromText("welcome");
        server.OnConnected((client, _) => client.SendAsync(welcome));
    }

    public static void ForwardToPartner(WebSocketServer server)
    {
        server.OnMessage(async (client, message) =>
        {
            if (server.Clients.Find(client.GetState<Pair>().Partner) is { } partner)
                await partner.SendAsync(message);
        });
    }

    public static void ForwardToMany(WebSocketServer server)
    {
        server.MessageReceived += (_, e) => server.Clients.WithPath(e.Client.Path).Except(e.Client).Broadcast(e);
    }

    public static async Task<string> AskAsync(WebSocketClient device)
    {
        int number = Interlocked.Increment(ref _lastNumber);
        string reply = await device.RequestAsync(
            $"{number} status",
            message => message.Text.StartsWith($"{number} ", StringComparison.Ordinal) ? message.Text : null,
            TimeSpan.FromSeconds(5));
        return reply;
    }

    public static async Task<Answer> AskInJsonAsync(WebSocketClient device, int number)
    {
        Answer answer = await device.RequestAsync(
            PreparedMessage.FromJson(new Question(number, "status"), DeviceJson.Default.Question),
            message => message.IsText && message.ReadJson(DeviceJson.Default.Answer) is var read && read.Number == number ? read : null,
            TimeSpan.FromSeconds(5));
        return answer;
    }
}
