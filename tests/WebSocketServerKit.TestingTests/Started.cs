namespace WebSocketServerKit.Testing;

/// <summary>Servers that do not listen.</summary>
internal static class Started
{
    public static async Task<WebSocketServer> ServerAsync(Action<WebSocketServer>? subscribe = null, Action<WebSocketServerOptions>? configure = null)
    {
        WebSocketServerOptions options = new();
        configure?.Invoke(options);
        WebSocketServer server = new(options);
        subscribe?.Invoke(server);
        await server.StartAsync();
        return server;
    }

    /// <summary>One that sends every message back.</summary>
    public static Task<WebSocketServer> EchoAsync(Action<WebSocketServerOptions>? configure = null) =>
        ServerAsync(server => server.MessageReceived += async (_, e) => await e.Client.SendAsync(e.Payload, e.MessageType), configure);
}
