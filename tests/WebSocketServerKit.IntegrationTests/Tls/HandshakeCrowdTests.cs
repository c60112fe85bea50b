using WebSocketServerKit.Attacks;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Tls;

/// <summary>A thousand TLS handshakes at once.</summary>
[Collection(nameof(AttackedServer))]
public class HandshakeCrowdTests
{
    private const int Crowd = 1_000;

    [Fact]
    public async Task A_thousand_TLS_handshakes_at_once_are_all_served_while_a_bystander_is_served_too()
    {
        await using TestServer server = await TestServer.StartEchoAsync(options =>
        {
            options.HandshakeTimeout = TimeSpan.FromMinutes(2);
            options.MaxClients = Crowd + 1;
            options.Listen("https://127.0.0.1:0", OverTlsAttribute.Listen);
        });
        using SecureStream bystander = await SecureStream.ConnectAsync(server.EndPoint);
        await bystander.OpenAsync();
        Task<SecureStream[]> crowd = Task.WhenAll(Enumerable.Range(0, Crowd).Select(async i =>
        {
            await Task.Yield();
            SecureStream stream = await SecureStream.ConnectAsync(server.EndPoint);
            await stream.OpenAsync();
            return stream;
        }));
        int echoes = 0;
        long most = 0;
        while (!crowd.IsCompleted)
        {
            await bystander.EchoAsync("meanwhile");
            echoes++;
            most = Math.Max(most, server.Server.BufferedBytes);
        }

        SecureStream[] streams = await crowd;
        Assert.InRange(echoes, 10, int.MaxValue);
        Assert.InRange(most, 0, Crowd * 64L * 1024);
        Assert.Equal(Crowd + 1, server.Clients.Count);
        // All idle: nobody holds a buffer.
        await Polling.UntilAsync(() => server.Server.BufferedBytes == 0);
        foreach (SecureStream stream in streams)
            stream.Dispose();
        await Polling.UntilAsync(() => server.Clients.Count == 1);
        await bystander.EchoAsync("afterwards");
        Assert.Empty(server.Log.Troubles);
    }

    [Fact]
    public async Task Beyond_MaxConcurrentHandshakes_a_crowd_of_hanging_TLS_handshakes_is_turned_away_and_others_are_served()
    {
        await using TestServer server = await TestServer.StartEchoAsync(options =>
        {
            options.MaxConcurrentHandshakes = 20;
            options.Listen("https://127.0.0.1:0", OverTlsAttribute.Listen);
        });
        using SecureStream bystander = await SecureStream.ConnectAsync(server.EndPoint);
        await bystander.OpenAsync();
        List<TestClient> hanging = [];
        byte[] hello = ClientHello.Of();
        for (int i = 0; i < 200; i++)
        {
            try
            {
                TestClient client = await TestClient.ConnectAsync(server.EndPoint);
                hanging.Add(client);
                await client.WriteAsync(hello.AsMemory(0, i % hello.Length));
            }
            catch (System.Net.Sockets.SocketException)
            {
                // Turned away already.
            }
        }

        await bystander.EchoAsync("meanwhile");
        await Polling.UntilAsync(() => server.Server.BufferedBytes <= 40 * 16 * 1024);
        hanging.ForEach(client => client.Dispose());
        await Polling.UntilAsync(() => server.Server.BufferedBytes == 0);
        using SecureStream other = await SecureStream.ConnectAsync(server.EndPoint);
        await other.EchoAsync();
    }
}
