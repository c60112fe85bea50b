using System.Net;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Text;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.EndPoints;

/// <summary>The framework's client at any kind of end point.</summary>
internal static class EndPointClient
{
    /// <summary>Connects. Over TLS it accepts <see cref="FedClient.Certificate"/> alone.</summary>
    public static async Task<ClientWebSocket> ConnectAsync(EndPoint endPoint, bool secure = false)
    {
        ClientWebSocket client = new();
        try
        {
            using SocketsHttpHandler handler = new() { ConnectCallback = async (_, cancelled) => new NetworkStream(await OpenAsync(endPoint, cancelled), ownsSocket: true) };
            handler.SslOptions.RemoteCertificateValidationCallback = (_, given, _, _) => FedClient.Certificate.Equals(given);
            using HttpMessageInvoker invoker = new(handler, disposeHandler: false);
            string host = endPoint is IPEndPoint ip ? ip.ToString() : "localhost";
            await client.ConnectAsync(new Uri($"{(secure ? "wss" : "ws")}://{host}/"), invoker, TestServer.Timely);
            return client;
        }
        catch
        {
            client.Dispose();
            throw;
        }
    }

    /// <summary>Sends a text, and checks that an echo server sends it back.</summary>
    public static async Task AssertEchoAsync(this ClientWebSocket client, string text = "hello")
    {
        await client.SendAsync(Encoding.UTF8.GetBytes(text), WebSocketMessageType.Text, endOfMessage: true, TestServer.Timely);
        byte[] echo = new byte[1000];
        WebSocketReceiveResult received = await client.ReceiveAsync(echo, TestServer.Timely);
        Assert.Equal(text, Encoding.UTF8.GetString(echo, 0, received.Count));
    }

    /// <summary>Connects, gets one echo, and leaves.</summary>
    public static async Task AssertServedAsync(EndPoint endPoint, bool secure = false)
    {
        using ClientWebSocket client = await ConnectAsync(endPoint, secure);
        await client.AssertEchoAsync();
        await client.CloseAsync(WebSocketCloseStatus.NormalClosure, "", TestServer.Timely);
    }

    /// <summary>Nobody listens there.</summary>
    public static async Task AssertRefusedAsync(EndPoint endPoint) =>
        await Assert.ThrowsAsync<SocketException>(async () => (await OpenAsync(endPoint, TestServer.Timely)).Dispose());

    private static async Task<Socket> OpenAsync(EndPoint endPoint, CancellationToken cancelled)
    {
        Socket socket = new(endPoint.AddressFamily, SocketType.Stream, endPoint is IPEndPoint ? ProtocolType.Tcp : ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(endPoint, cancelled);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
