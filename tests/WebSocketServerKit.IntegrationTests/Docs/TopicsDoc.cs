namespace WebSocketServerKit.Docs;

/// <summary>The examples of docs/topics.md, as they stand there.</summary>
internal static class TopicsDoc
{
    public static void Topics(WebSocketServer server, WebSocketClient client, string json)
    {
        client.Subscribe("prices/EURUSD");   // one topic
        client.Subscribe("prices/+");        // + stands for one level
        client.Subscribe("news/#");          // # as the last level stands for any number of levels: news, news/sport, news/sport/tennis
        client.Unsubscribe("prices/+");      // that subscription, not those of single prices
        server.Clients.SubscribedTo("prices/EURUSD").Broadcast(json);
    }

    public static IReadOnlyList<string> Narrowed(WebSocketServer server, WebSocketClient client, string json)
    {
        server.Clients.SubscribedTo("prices/EURUSD").WithTag("trader").Except(client).Broadcast(json);
        IReadOnlyList<string> filters = client.Subscriptions;   // a snapshot
        return filters;
    }

    public static void ChosenByClients(WebSocketServer server)
    {
        server.MessageReceived += (_, e) =>
        {
            string filter = e.Text;
            bool isAllowed = TopicFilter.IsValid(filter) && filter.StartsWith("prices/", StringComparison.Ordinal);
            e.Client.TrySend(isAllowed && e.Client.Subscribe(filter) ? "subscribed" : "refused");
        };
    }

    public static async Task WatchAsync(WebSocketServer server, CancellationToken stopping)
    {
        await foreach (ClientChange change in server.Clients.WatchAsync(stopping))
        {
            switch (change.Kind)
            {
                case ClientChangeKind.Connected:    // first those who are connected already
                    Console.WriteLine($"{change.Client} is here");
                    break;
                case ClientChangeKind.Changed:      // groups, tags, subscriptions or State
                    Console.WriteLine($"{change.Client} is in {string.Join(", ", change.Client.Groups)}");
                    break;
                case ClientChangeKind.Disconnected:
                    Console.WriteLine($"{change.Client} has left");
                    break;
            }
        }
    }

    public static void Window(WebSocketServer server)
    {
        LiveClientList clients = server.Clients.ToLiveList();   // on the window's thread
        clients.CollectionChanged += (_, e) => Console.WriteLine($"{e.Action}, now {clients.Count}");
        // Closing the window:
        clients.Dispose();
    }
}
