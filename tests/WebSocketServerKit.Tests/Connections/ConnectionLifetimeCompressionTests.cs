using System.IO.Compression;
using WebSocketServerKit.Connections.Sending;
using WebSocketServerKit.Protocol.Compression;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.Protocol.Handshake;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Connections;

/// <summary>Connections whose options allow permessage-deflate.</summary>
public sealed class ConnectionLifetimeCompressionTests
{
    private static readonly string Long = new('a', 500);
    private static readonly string Offer = RequestHeads.Handshake.Replace(
        "\r\n\r\n", "\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n", StringComparison.Ordinal);

    private readonly CompressionLimits _limits = new(maxConcurrentCompressions: 10, maxContexts: 1);

    private ConnectionStage Stage(bool contextTakeover) => new(settings => settings with
    {
        Compression = new CompressionSettings(
            new PerMessageDeflateParameters(!contextTakeover, !contextTakeover), CompressionLevel.Fastest, MinMessageSize: 100, _limits),
    });

    [Theory]
    [InlineData(false, "permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n")]
    [InlineData(true, "permessage-deflate\r\n")]
    public async Task What_is_agreed_on_is_answered_and_kept(bool contextTakeover, string extensions)
    {
        await using ConnectionStage stage = Stage(contextTakeover);
        Assert.Contains($"\r\nSec-WebSocket-Extensions: {extensions}", await stage.OpenAsync(Offer), StringComparison.Ordinal);
        using var client = new Zlib(contextTakeover);
        stage.Connection.OnMessage = () => stage.Connection.Compressor!.TrySend(Opcode.Text, stage.Connection.Payload.Span);
        for (int i = 0; i < 3; i++)
        {
            stage.Transport.Receive(Frames.Frame(Opcode.Text, client.Deflate(System.Text.Encoding.UTF8.GetBytes(Long)), reserved: 4));
            await stage.Transport.WhenIdle;
        }

        Assert.Equal(3, stage.Connection.Calls.Count(call => call == $"Message {Long}"));
        Assert.All(stage.Transport.Frames, frame => Assert.Equal(Long, System.Text.Encoding.UTF8.GetString(client.Inflate(frame.Payload))));
        Assert.Equal(3, stage.Transport.Frames.Count(frame => frame.Rsv1));
    }

    [Fact]
    public async Task Without_an_offer_or_without_the_option_nothing_is_agreed_on()
    {
        await using ConnectionStage stage = Stage(contextTakeover: true);
        Assert.DoesNotContain("Extensions", await stage.OpenAsync(RequestHeads.Handshake), StringComparison.Ordinal);
        Assert.Null(stage.Connection.Compressor);

        await using var off = new ConnectionStage();
        Assert.DoesNotContain("Extensions", await off.OpenAsync(Offer), StringComparison.Ordinal);
        Assert.Null(off.Connection.Compressor);
    }

    [Fact]
    public async Task Above_the_limit_of_contexts_compression_without_them_is_agreed_on_until_a_client_leaves()
    {
        const string Without = "permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n";
        await using (ConnectionStage first = Stage(contextTakeover: true))
        {
            Assert.DoesNotContain("no_context", await first.OpenAsync(Offer), StringComparison.Ordinal);
            await using ConnectionStage second = Stage(contextTakeover: true);
            Assert.Contains(Without, await second.OpenAsync(Offer), StringComparison.Ordinal);
        }

        await using ConnectionStage third = Stage(contextTakeover: true);
        Assert.DoesNotContain("no_context", await third.OpenAsync(Offer), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_client_whose_own_settings_turn_compression_off_is_offered_none()
    {
        await using ConnectionStage stage = Stage(contextTakeover: true);
        stage.Connection.OwnSettings = settings => settings with { Compression = null };
        Assert.DoesNotContain("Extensions", await stage.OpenAsync(Offer), StringComparison.Ordinal);
        Assert.True(_limits.TryTakeContext());
    }

    [Fact]
    public async Task A_client_counts_against_the_limits_of_its_own_settings_and_no_others()
    {
        var own = new CompressionLimits(maxConcurrentCompressions: 10, maxContexts: 1);
        await using (ConnectionStage stage = Stage(contextTakeover: true))
        {
            stage.Connection.OwnSettings = settings => settings with { Compression = settings.Compression! with { Limits = own } };
            Assert.DoesNotContain("no_context", await stage.OpenAsync(Offer), StringComparison.Ordinal);
            Assert.False(own.TryTakeContext());
            Assert.True(_limits.TryTakeContext());
        }

        Assert.True(own.TryTakeContext());
        Assert.False(_limits.TryTakeContext());
    }
}
