using System.Runtime.InteropServices;
using System.Text;
using StackExchange.Redis;

namespace WebSocketServerKit.Backplane;

/// <summary>The channels of Redis that one application uses.</summary>
/// <remarks><c>{prefix}:c:{channel}</c>, or <c>{prefix}:u:{UTF-16 in hexadecimal}</c> for a channel whose name is no valid text; <c>{prefix}:nodes</c> and <c>{prefix}:node:{id}</c> are for the nodes themselves.</remarks>
internal sealed class ChannelNames(string prefix, bool sharded)
{
    // Two names that are no valid text must not become one.
    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly byte[] _before = Encoding.UTF8.GetBytes($"{prefix}:c:");

    /// <summary>Whether they are those of sharded publish/subscribe.</summary>
    public bool Sharded => sharded;

    /// <summary>All nodes listen to it.</summary>
    public RedisChannel Nodes { get; } = Of(Encoding.UTF8.GetBytes($"{prefix}:nodes"), sharded);

    /// <summary>One node listens to it.</summary>
    public RedisChannel Node(Guid id) => Of(Encoding.UTF8.GetBytes($"{prefix}:node:{id:N}"), sharded);

    /// <summary>That of a channel of the server.</summary>
    public RedisChannel Of(string channel)
    {
        try
        {
            byte[] name = new byte[_before.Length + Strict.GetByteCount(channel)];
            _before.CopyTo(name, 0);
            Strict.GetBytes(channel, name.AsSpan(_before.Length));
            return Of(name, sharded);
        }
        catch (EncoderFallbackException)
        {
            return Of(Encoding.UTF8.GetBytes($"{prefix}:u:{Convert.ToHexString(MemoryMarshal.AsBytes(channel.AsSpan()))}"), sharded);
        }
    }

    private static RedisChannel Of(byte[] name, bool sharded) => sharded ? RedisChannel.Sharded(name) : RedisChannel.Literal(name);
}
