using System.Buffers.Binary;
using System.Net;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace WebSocketServerKit.Docs;

[JsonPolymorphic(TypeDiscriminatorPropertyName = "type", IgnoreUnrecognizedTypeDiscriminators = true)]
[JsonDerivedType(typeof(Say), "say")]
[JsonDerivedType(typeof(Lookup), "lookup")]
internal record FromClient; // not abstract: a message without a known type becomes one of these

internal sealed record Say(string Text) : FromClient;

internal sealed record Lookup(int Number, string Word) : FromClient;

[JsonPolymorphic(TypeDiscriminatorPropertyName = "type")]
[JsonDerivedType(typeof(Said), "said")]
[JsonDerivedType(typeof(Found), "found")]
[JsonDerivedType(typeof(Problem), "problem")]
internal abstract record ToClient;

internal sealed record Said(long Who, string Text) : ToClient;

internal sealed record Found(int Number, string? Meaning) : ToClient;

internal sealed record Problem(string Text) : ToClient;

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, AllowOutOfOrderMetadataProperties = true, RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(FromClient))]
[JsonSerializable(typeof(ToClient))]
internal sealed partial class WordsJson : JsonSerializerContext;

internal readonly record struct Position(float X, float Y)
{
    public const byte Kind = 1; // the first byte of each message
    public const int Length = 9;

    public static bool TryRead(ReadOnlySpan<byte> message, out Position position)
    {
        position = default;
        if (message.Length != Length || message[0] != Kind)
            return false;
        position = new Position(BinaryPrimitives.ReadSingleLittleEndian(message[1..]), BinaryPrimitives.ReadSingleLittleEndian(message[5..]));
        return float.IsFinite(position.X) && float.IsFinite(position.Y);
    }

    public byte[] ToBytes(long who)
    {
        byte[] message = new byte[Length + sizeof(long)];
        message[0] = Kind;
        BinaryPrimitives.WriteSingleLittleEndian(message.AsSpan(1), X);
        BinaryPrimitives.WriteSingleLittleEndian(message.AsSpan(5), Y);
        BinaryPrimitives.WriteInt64LittleEndian(message.AsSpan(9), who);
        return message;
    }
}

/// <summary>The C# of docs/protocols.md, as it stands there.</summary>
internal static class ProtocolsGuide
{
    public interface IWords
    {
        Task<string?> FindAsync(string word, CancellationToken cancellationToken);
    }

    public static void Versions(WebSocketServerOptions options, WebSocketServer server)
    {
        options.Subprotocols = ["words.v1", "words.v2"];
        server.Handshaking += (_, e) =>
        {
            if (e.Subprotocol is null)
                e.Refuse(HttpStatusCode.BadRequest, "This server speaks words.v1 and words.v2. Offer one of them as subprotocol.\n");
        };
    }

    public static void Json(WebSocketServer server, IWords words)
    {
        server.OnMessage(async (client, message) =>
        {
            switch (message.ReadJson(WordsJson.Default.FromClient))
            {
                case Say say:
                    server.Clients.BroadcastJson(new Said(client.Id, say.Text), WordsJson.Default.ToClient);
                    break;
                case Lookup lookup:
                    string? meaning = await words.FindAsync(lookup.Word, client.ConnectionClosed);
                    await client.SendJsonAsync(new Found(lookup.Number, meaning), WordsJson.Default.ToClient);
                    break;
                default:
                    await client.SendJsonAsync(new Problem("This version knows no such message."), WordsJson.Default.ToClient);
                    break;
            }
        });
    }

    public static void Binary(WebSocketServer server)
    {
        server.OnMessage(async (client, message) =>
        {
            if (message.IsText || !Position.TryRead(message.Payload, out Position position))
            {
                await client.CloseAsync(CloseCode.UnsupportedData, "expected a position: 9 bytes");
                return;
            }

            server.Clients.Except(client).BroadcastLatest($"position:{client.Id}", position.ToBytes(client.Id));
        });
    }

    private static bool IsName(string text) => text.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_');

    public static void Upload(WebSocketServer server, string folder)
    {
        WebSocketPath uploads = server.Path("/upload/{name}", new PathOptions { StreamMessagesFrom = 0, MaxStreamedMessageSize = 500_000_000 });
        uploads.Handshaking += (_, e) =>
        {
            if (!IsName(e.PathValues["name"]))
                e.Refuse(HttpStatusCode.BadRequest, "A name has letters, digits, dots, hyphens and underscores.\n");
        };
        uploads.OnMessageStream(async (client, message) =>
        {
            string path = Path.Combine(folder, client.PathValues["name"]), partial = $"{path}.{client.Id}.partial";
            try
            {
                await using (FileStream file = File.Create(partial))
                {
                    byte[] buffer = new byte[64 * 1024];
                    for (int count; (count = await message.ReadAsync(buffer)) > 0;)
                    {
                        await file.WriteAsync(buffer.AsMemory(0, count));
                        client.TrySendLatest("progress", $"received {file.Position}");
                    }
                }

                File.Move(partial, path, overwrite: true);
                await client.SendAsync("stored");
            }
            finally
            {
                File.Delete(partial); // nothing is left of a message that broke off
            }
        });
    }

    public static void Download(WebSocketServer server, string folder)
    {
        WebSocketPath downloads = server.Path("/download/{name}");
        downloads.Handshaking += (_, e) =>
        {
            string name = e.PathValues["name"];
            if (!IsName(name) || !File.Exists(Path.Combine(folder, name)))
                e.Refuse(HttpStatusCode.NotFound, "There is no such file.\n");
        };
        downloads.OnConnected(async (client, e) =>
        {
            e.ContinueReceiving(); // a long download is no slow handler
            await using FileStream file = File.OpenRead(Path.Combine(folder, client.PathValues["name"]));
            await client.SendAsync($"size {file.Length}");
            byte[] buffer = new byte[256 * 1024];
            for (int count; (count = await file.ReadAsync(buffer)) > 0;)
                await client.SendAsync(buffer.AsMemory(0, count));
            await client.CloseAsync(CloseCode.NormalClosure, "complete");
        });
    }
}
