using WebSocketServerKit.Serving;
using WebSocketServerKit.Serving.Topics;

namespace WebSocketServerKit;

public sealed partial class ClientRegistry
{
    internal TopicIndex ByTopic { get; } = new();

    /// <summary>Adds a client to the set of a topic filter. False if it is in it, or has left.</summary>
    /// <exception cref="InvalidOperationException">It has as many subscriptions as it may.</exception>
    internal bool Subscribe(string filter, WebSocketClient client, int? limit)
    {
        lock (_gate)
        {
            if (client.Memberships!.Subscriptions >= limit && IsRegistered(client) && !IsIn(ClientSetKind.Topic, filter, client))
                throw new InvalidOperationException(
                    $"{client} has {limit} subscriptions, and {nameof(WebSocketServerOptions.MaxSubscriptionsPerClient)} allows no more. Unsubscribe some, use a filter with a wildcard, or raise the option.");
            if (!Join(ClientSetKind.Topic, filter, client))
                return false;
            client.Memberships.Subscriptions++;
            return true;
        }
    }

    /// <summary>Removes a client from the set of a topic filter. False if it is not in it.</summary>
    internal bool Unsubscribe(string filter, WebSocketClient client)
    {
        lock (_gate)
        {
            if (!Leave(ClientSetKind.Topic, filter, client))
                return false;
            client.Memberships!.Subscriptions--;
            return true;
        }
    }
}
