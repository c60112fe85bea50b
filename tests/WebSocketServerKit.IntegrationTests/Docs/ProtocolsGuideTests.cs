using System.Net.WebSockets;
using System.Text.Json;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Docs;

/// <summary>What docs/protocols.md shows compiles and works.</summary>
public sealed class ProtocolsGuideTests
{
    [Fact]
    public void Each_block_of_code_is_code_of_these_tests() =>
        GuideCode.AssertIsIn("docs/protocols.md", 8, "tests/WebSocketServerKit.IntegrationTests/Docs/ProtocolsGuide.cs");

    [Fact]
    public async Task A_client_gets_the_version_that_it_likes_best_and_one_without_a_version_is_refused()
    {
        WebSocketServerOptions options = new();
        await using TestServer server = await TestServer.StartAsync(
            server => ProtocolsGuide.Versions(options, server), options => options.Subprotocols = ["words.v1", "words.v2"]);
        Assert.Equal(["words.v1", "words.v2"], options.Subprotocols);
        using ClientWebSocket client = await server.ConnectWebSocketAsync(configure: options =>
        {
            options.AddSubProtocol("words.v3");
            options.AddSubProtocol("words.v2");
            options.AddSubProtocol("words.v1");
        });
        Assert.Equal("words.v2", client.SubProtocol);
        using TestClient without = await TestClient.ConnectAsync(server.EndPoint);
        await without.WriteAsync(TestClient.Request());
        Assert.Equal(400, (await without.ReadAnswerAsync()).Status);
    }

    [Fact]
    public async Task Messages_in_JSON_are_answered_by_their_type()
    {
        await using TestServer server = await TestServer.StartAsync(server => ProtocolsGuide.Json(server, new Words()));
        (TestClient raw, WebSocketClient client) = await server.ConnectAsync();
        using (raw)
        {
            await raw.SendAsync("""{"type":"say","text":"hello"}""");
            Assert.Equal($$"""{"type":"said","who":{{client.Id}},"text":"hello"}""", await raw.ReadTextAsync());
            await raw.SendAsync("""{"word":"tide","number":7,"type":"lookup"}""");
            Assert.Equal("""{"type":"found","number":7,"meaning":"the sea rises and falls"}""", await raw.ReadTextAsync());
            foreach (string unknown in (string[])["""{"type":"sing"}""", """{"text":"hello"}""", "{}"])
            {
                await raw.SendAsync(unknown);
                Assert.Equal("""{"type":"problem","text":"This version knows no such message."}""", await raw.ReadTextAsync());
            }

            await raw.SendAsync("""{"type":"say"}""");
            await raw.AssertClosesAsync(1007, "message is not the JSON that was expected");
        }
    }

    [Fact]
    public void With_an_abstract_base_type_or_without_unknown_types_the_serializer_throws_what_the_guide_says()
    {
        Assert.Throws<NotSupportedException>(() => JsonSerializer.Deserialize("""{"text":"hello"}""", WordsJson.Default.ToClient));
        Assert.Throws<JsonException>(() => JsonSerializer.Deserialize("""{"type":"sing"}""", WordsJson.Default.ToClient));
    }

    [Fact]
    public async Task Positions_reach_the_others_and_what_is_no_position_closes_its_client()
    {
        await using TestServer server = await TestServer.StartAsync(ProtocolsGuide.Binary);
        (TestClient player, WebSocketClient client) = await server.ConnectAsync();
        (TestClient other, _) = await server.ConnectAsync();
        byte[] position = [1, 0, 0, 128, 63, 0, 0, 0, 64]; // 1 and 2
        Assert.True(Position.TryRead(position, out Position read));
        Assert.Equal(new Position(1, 2), read);
        await player.SendAsync(position);
        Assert.Equal(read.ToBytes(client.Id), (await other.ReadFrameAsync()).Payload);
        foreach (byte[] wrong in (byte[][])[[], [2, .. position[1..]], [.. position, 0], [1, 0, 0, 192, 127, 0, 0, 0, 64]])
            Assert.False(Position.TryRead(wrong, out _));
        await player.SendAsync("left");
        await player.AssertClosesAsync(1003, "expected a position: 9 bytes");
        player.Dispose();
        other.Dispose();
    }

    [Fact]
    public async Task A_file_is_stored_with_progress_and_comes_back_in_pieces()
    {
        string folder = Directory.CreateTempSubdirectory().FullName;
        byte[] content = new byte[700_000];
        new Random(1).NextBytes(content);
        await using (TestServer server = await TestServer.StartAsync(server =>
        {
            ProtocolsGuide.Upload(server, folder);
            ProtocolsGuide.Download(server, folder);
        }))
        {
            using TestClient sender = await server.OpenAsync("/upload/a.bin");
            await sender.SendAsync(content);
            string told;
            while ((told = await sender.ReadTextAsync()) != "stored")
                Assert.StartsWith("received ", told, StringComparison.Ordinal);
            Assert.Equal(content, await File.ReadAllBytesAsync(Path.Combine(folder, "a.bin"), TestServer.Timely));
            Assert.Single(Directory.GetFiles(folder));

            using TestClient receiver = await server.OpenAsync("/download/a.bin");
            Assert.Equal("size 700000", await receiver.ReadTextAsync());
            List<byte> received = [];
            while (received.Count < content.Length)
                received.AddRange((await receiver.ReadFrameAsync()).Payload);
            Assert.Equal(content, received);
            await receiver.AssertClosesAsync(1000, "complete");

            foreach ((string target, int status) in ((string, int)[])[("/upload/a%20b", 400), ("/upload/..", 404), ("/download/none", 404), ("/download/a%5Cb", 404)])
                Assert.Equal(status, await AnswerAsync(server, target));
        }

        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task Nothing_is_left_of_a_file_that_breaks_off()
    {
        string folder = Directory.CreateTempSubdirectory().FullName;
        await using (TestServer server = await TestServer.StartAsync(server => ProtocolsGuide.Upload(server, folder)))
        {
            TestClient sender = await server.OpenAsync("/upload/a.bin");
            await sender.WriteAsync(TestClient.Frame(Protocol.Framing.Opcode.Binary, new byte[10_000], fin: false));
            Assert.StartsWith("received ", await sender.ReadTextAsync(), StringComparison.Ordinal);
            sender.Reset();
            await server.NextEndAsync();
        }

        Assert.Empty(Directory.GetFiles(folder));
        Directory.Delete(folder);
    }

    private static async Task<int> AnswerAsync(TestServer server, string target)
    {
        using TestClient client = await TestClient.ConnectAsync(server.EndPoint);
        await client.WriteAsync(TestClient.Request(target));
        return (await client.ReadAnswerAsync()).Status;
    }

    private sealed class Words : ProtocolsGuide.IWords
    {
        public Task<string?> FindAsync(string word, CancellationToken cancellationToken) => Task.FromResult(word == "tide" ? "the sea rises and falls" : null);
    }
}
