using System.Globalization;
using WebSocketServerKit.Protocol.Handshake;

namespace WebSocketServerKit.TestKit;

/// <summary>Tests that ask the peer of one connection on a <see cref="ConnectionStage"/> and play its replies.</summary>
public abstract class RequestTest : LifetimeTest
{
    private protected static readonly TimeSpan Seconds = TimeSpan.FromSeconds(5);

    private protected RequestTest() => Client = ClientOf(_stage);

    private protected WebSocketClient Client { get; }

    private protected static CancellationToken Token => TestContext.Current.CancellationToken;

    private protected static WebSocketClient ClientOf(ConnectionStage stage) =>
        new(1, stage.Connection, RequestHeads.Parse(RequestHeads.Sample), handshaking: null, subprotocol: null, extensions: null, DateTimeOffset.UnixEpoch);

    /// <summary>The reply to "ask n" is "reply n …".</summary>
    private protected Task<string> AskAsync(int number, CancellationToken cancellationToken = default) =>
        Client.RequestAsync($"ask {number}", Reply(number), Seconds, cancellationToken);

    private protected static Func<MessageReceivedEventArgs, string?> Reply(int number) =>
        message => message.Text.StartsWith(string.Create(CultureInfo.InvariantCulture, $"reply {number}"), StringComparison.Ordinal) ? message.Text : null;
}
