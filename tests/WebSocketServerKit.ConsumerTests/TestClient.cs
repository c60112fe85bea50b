using System.Net;
using System.Net.WebSockets;
using System.Text;

namespace Consumers;

/// <summary>The framework's own client, with what these tests ask of it.</summary>
internal sealed class TestClient : IDisposable
{
    private readonly ClientWebSocket _socket = new();

    /// <summary>A new token that is cancelled after 30 s: what would hang fails.</summary>
    public static CancellationToken Timely => new CancellationTokenSource(TimeSpan.FromSeconds(30)).Token;

    public WebSocketCloseStatus? CloseStatus => _socket.CloseStatus;

    public string? CloseReason => _socket.CloseStatusDescription;

    public static async Task<TestClient> ConnectAsync(EndPoint endPoint, string target = "/", string? authorization = null)
    {
        TestClient client = new();
        if (authorization is not null)
            client._socket.Options.SetRequestHeader("Authorization", authorization);
        client._socket.Options.CollectHttpResponseDetails = true;
        await client._socket.ConnectAsync(new Uri($"ws://{endPoint}{target}"), Timely);
        return client;
    }

    public Task SendAsync(string text) => _socket.SendAsync(Encoding.UTF8.GetBytes(text), WebSocketMessageType.Text, endOfMessage: true, Timely);

    public Task SendAsync(byte[] bytes) => _socket.SendAsync(bytes, WebSocketMessageType.Binary, endOfMessage: true, Timely);

    public async Task<string> ReadTextAsync()
    {
        (WebSocketMessageType type, byte[] bytes) = await ReadAsync();
        Assert.Equal(WebSocketMessageType.Text, type);
        return Encoding.UTF8.GetString(bytes);
    }

    public async Task<(WebSocketMessageType Type, byte[] Bytes)> ReadAsync()
    {
        using MemoryStream message = new();
        byte[] buffer = new byte[64 * 1024];
        while (true)
        {
            ValueWebSocketReceiveResult received = await _socket.ReceiveAsync(buffer.AsMemory(), Timely);
            await message.WriteAsync(buffer.AsMemory(0, received.Count), Timely);
            if (received.EndOfMessage)
                return (received.MessageType, message.ToArray());
        }
    }

    /// <summary>Reads the server's Close frame and answers it.</summary>
    public async Task ReadCloseAsync()
    {
        Assert.Equal(WebSocketMessageType.Close, (await ReadAsync()).Type);
        await _socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, Timely);
    }

    public Task CloseAsync() => _socket.CloseAsync(WebSocketCloseStatus.NormalClosure, null, Timely);

    public void Dispose() => _socket.Dispose();
}
