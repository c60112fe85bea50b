using System.Text;
using WebSocketServerKit.Connections.Closing;

namespace WebSocketServerKit.TestKit;

/// <summary>Tests that play one connection on a <see cref="ConnectionStage"/>.</summary>
public abstract class LifetimeTest : IAsyncDisposable
{
    private protected readonly ConnectionStage _stage = new();

    private protected ScriptedConnection Connection => _stage.Connection;

    private protected ScriptedTransport Transport => _stage.Transport;

    public ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        return _stage.DisposeAsync();
    }

    private protected static ConnectionEnding HostCloses(int code = 1000, string reason = "enough") =>
        new(DisconnectCause.Closed, ConnectionSide.Server, (CloseCode)code, reason);

    private protected void AssertCalls(params string[] calls) => Assert.Equal(string.Join('\n', calls), _stage.Calls);

    private protected void AssertEnding(DisconnectCause cause, ConnectionSide side, int code, string reason = "", bool clean = false)
    {
        ConnectionEnding ending = Connection.Ending!;
        Assert.Equal((cause, side, code, reason, clean), (ending.Cause, ending.ClosedBy, (int)ending.Code, ending.Reason, Connection.WasClean));
    }

    private protected void AssertCloseSent(int code, string reason = "") =>
        Assert.Equal(((CloseCode)code, reason), Transport.Frames[^1].ReadClose());

    private protected async Task<string> AnswerAsync() => Encoding.UTF8.GetString(await Transport.NextWriteAsync());

    /// <summary>Opens, and calls a message handler that goes on until the test ends it.</summary>
    private protected async Task<TaskCompletionSource> OpenWithPendingHandlerAsync(string message = "pending")
    {
        TaskCompletionSource go = Timely.Signal();
        Connection.OnMessage = async () => await go.Task;
        await _stage.OpenAsync();
        Transport.Receive(Frames.Text(message));
        await Connection.Called($"Message {message}");
        return go;
    }
}
