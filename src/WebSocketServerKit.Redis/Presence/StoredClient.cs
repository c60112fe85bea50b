using System.Text.Json;
using System.Text.Json.Serialization;

namespace WebSocketServerKit.Presence;

/// <summary>A client as Redis keeps it: JSON, which the scripts read too. Equal states give equal text, so that a change of what is not stored writes nothing.</summary>
/// <param name="User">Null, and not written, for an anonymous client.</param>
/// <param name="Path">The path of its request.</param>
/// <param name="Since">Unix time in milliseconds.</param>
/// <param name="Groups">In ordinal order. Null, and not written, if there are none: an empty list would have no form of its own in Lua.</param>
internal sealed record StoredClient(string? User, string Path, long Since, string[]? Groups)
{
    public static byte[] Write(WebSocketClient client)
    {
        string[] groups = [.. client.Groups];
        Array.Sort(groups, StringComparer.Ordinal);
        var stored = new StoredClient(client.UserId, client.Path, client.ConnectedAt.ToUnixTimeMilliseconds(), groups.Length > 0 ? groups : null);
        return JsonSerializer.SerializeToUtf8Bytes(stored, StoredClientJson.Default.StoredClient);
    }

    public static OnlineClient Read(string nodeId, long clientId, ReadOnlySpan<byte> json)
    {
        StoredClient stored = JsonSerializer.Deserialize(json, StoredClientJson.Default.StoredClient)!;
        return new OnlineClient(nodeId, clientId, stored.User, stored.Path, DateTimeOffset.FromUnixTimeMilliseconds(stored.Since), stored.Groups ?? []);
    }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(StoredClient))]
internal sealed partial class StoredClientJson : JsonSerializerContext;
