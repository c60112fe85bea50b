using StackExchange.Redis;

namespace WebSocketServerKit.Backplane;

/// <summary>A subscription that the client has given up, and that Redis may confirm later.</summary>
internal static class LateSubscription
{
    /// <summary>
    /// Ends it, if Redis answers soon. Otherwise Redis would count this client as one that listens until their connection ends. Throws nothing. Nobody else must subscribe to the channel meanwhile.
    /// </summary>
    /// <remarks>The client does not unsubscribe from what Redis has not confirmed, so it subscribes once more.</remarks>
    public static async Task EndAsync(ISubscriber subscriber, RedisChannel channel)
    {
        try
        {
            Forget();
            ChannelMessageQueue queue = await subscriber.SubscribeAsync(channel, CommandFlags.DemandMaster).ConfigureAwait(false);
            await queue.UnsubscribeAsync().ConfigureAwait(false);
        }
        catch (Exception)
        {
            try
            {
                Forget();
            }
            catch (ObjectDisposedException)
            {
                // Nothing is left of the client.
            }
        }

        // The client would go on to subscribe, and hold all messages without a reader.
        void Forget() => _ = subscriber.UnsubscribeAsync(channel, null, CommandFlags.FireAndForget);
    }
}
