using WebSocketServerKit.Serving;

namespace WebSocketServerKit;

// Topics: what the client wants to be sent.
public sealed partial class WebSocketClient
{
    /// <summary>The topic filters that the client has subscribed to, in no particular order: a snapshot. Empty once it has left.</summary>
    public IReadOnlyList<string> Subscriptions => Memberships?.Registry.KeysOf(ClientSetKind.Topic, this) ?? [];

    /// <summary>
    /// Subscribes the client to a topic, or with wildcards to many: <c>prices/EURUSD</c>; <c>prices/+</c>, where <c>+</c> stands for one level; <c>prices/#</c>, where <c>#</c> as the last level
    /// stands for any number of them, so <c>prices</c> itself is included. <see cref="ClientSelection.SubscribedTo"/> selects those who have subscribed to a topic. From
    /// <see cref="WebSocketServer.ClientConnected"/> on. The client loses its subscriptions by itself, before <see cref="WebSocketServer.ClientDisconnected"/> is raised.
    /// </summary>
    /// <remarks>
    /// <para>The rules are those of MQTT, section 4.7. A topic that begins with <c>$</c> is not matched by a filter that begins with a wildcard. There are no shared subscriptions (<c>$share/…</c>).</para>
    /// <para>If peers choose the filters, decide first what each may subscribe to: <c>#</c> is everything. <see cref="TopicFilter.IsValid"/> tells whether a filter would throw.</para>
    /// </remarks>
    /// <param name="filter">At most 1,024 characters and 32 levels. Case-sensitive.</param>
    /// <returns>False if it has this subscription, or has left.</returns>
    /// <exception cref="ArgumentException">The filter is not valid; the message tells what is wrong.</exception>
    /// <exception cref="InvalidOperationException">The client has <see cref="WebSocketServerOptions.MaxSubscriptionsPerClient"/> subscriptions.</exception>
    public bool Subscribe(string filter)
    {
        TopicFilter.Check(filter);
        return Memberships?.Registry.Subscribe(filter, this, _lifetime.Settings.MaxSubscriptionsPerClient) is true;
    }

    /// <summary>Ends a subscription. The filter is compared as text: <c>prices/#</c> ends that one alone, not <c>prices/EURUSD</c>.</summary>
    /// <returns>False if it does not have this subscription, or has left.</returns>
    /// <exception cref="ArgumentException">The filter is not valid; the message tells what is wrong.</exception>
    public bool Unsubscribe(string filter)
    {
        TopicFilter.Check(filter);
        return Memberships?.Registry.Unsubscribe(filter, this) is true;
    }
}
