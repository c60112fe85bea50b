using System.Net.WebSockets;
using System.Text;
using System.Text.Json;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Samples;

/// <summary>A client of a sample that speaks JSON.</summary>
internal sealed class JsonClient : IAsyncDisposable
{
    private readonly ClientWebSocket _socket = new();
    private readonly byte[] _buffer = new byte[64 * 1024];

    public static async Task<JsonClient> ConnectAsync(string url, string? bearer = null)
    {
        JsonClient client = new();
        if (bearer is not null)
            client._socket.Options.SetRequestHeader("Authorization", "Bearer " + bearer);
        await client._socket.ConnectAsync(new Uri(url.Replace("http:", "ws:", StringComparison.Ordinal)), TestServer.Timely);
        return client;
    }

    public async Task SendAsync(string json) => await _socket.SendAsync(Encoding.UTF8.GetBytes(json), WebSocketMessageType.Text, endOfMessage: true, TestServer.Timely);

    /// <summary>The next message that has this property.</summary>
    public async Task<JsonElement> NextAsync(string property)
    {
        CancellationToken timely = TestServer.Timely;
        while (true)
        {
            timely.ThrowIfCancellationRequested();
            JsonElement message = await NextAsync();
            if (message.ValueKind == JsonValueKind.Object && message.TryGetProperty(property, out _))
                return message;
        }
    }

    public async Task<JsonElement> NextAsync()
    {
        int length = 0;
        ValueWebSocketReceiveResult read;
        do
        {
            read = await _socket.ReceiveAsync(_buffer.AsMemory(length), TestServer.Timely);
            Assert.Equal(WebSocketMessageType.Text, read.MessageType);
            length += read.Count;
        }
        while (!read.EndOfMessage);

        return JsonDocument.Parse(_buffer.AsMemory(0, length).ToArray()).RootElement;
    }

    /// <summary>The code with which the server closes, after whatever it sends before.</summary>
    public async Task<int> CloseCodeAsync()
    {
        while ((await _socket.ReceiveAsync(_buffer.AsMemory(), TestServer.Timely)).MessageType != WebSocketMessageType.Close)
        {
        }

        return (int)_socket.CloseStatus!.Value;
    }

    public async ValueTask DisposeAsync()
    {
        if (_socket.State == WebSocketState.Open)
            await _socket.CloseAsync(WebSocketCloseStatus.NormalClosure, null, TestServer.Timely);
        _socket.Dispose();
    }
}
