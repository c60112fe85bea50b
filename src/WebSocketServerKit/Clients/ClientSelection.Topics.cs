using WebSocketServerKit.Serving.Topics;

namespace WebSocketServerKit;

public partial class ClientSelection
{
    /// <summary>
    /// Narrows to those who have subscribed to a filter that matches the topic: <c>server.Clients.SubscribedTo("prices/EURUSD").Broadcast(json)</c>. See <see cref="WebSocketClient.Subscribe"/>. A
    /// client with several such filters is selected once.
    /// </summary>
    /// <param name="topic">Levels separated by <c>/</c>, without wildcards. At most 1,024 characters. Case-sensitive.</param>
    /// <exception cref="ArgumentException">The topic is null or empty, too long, or has a wildcard; the message tells which.</exception>
    public ClientSelection SubscribedTo(string topic)
    {
        TopicFilter.CheckTopic(topic);
        return new TopicSelection(this, _registry.ByTopic, topic);
    }
}
