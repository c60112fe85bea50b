using System.Collections.ObjectModel;
using WebSocketServerKit;

namespace Consumers.Hosts;

/// <summary>What a window shows: who is online, and what they say. All of it is touched on the window's thread alone.</summary>
internal sealed class ClientWindow : IAsyncDisposable
{
    private WebSocketServer? _server;

    /// <summary>Bound to a list.</summary>
    public ObservableCollection<string> Online { get; } = [];

    /// <summary>Bound to a list.</summary>
    public ObservableCollection<string> Log { get; } = [];

    public string Title { get; private set; } = "closed";

    /// <summary>The button "Open".</summary>
    public async Task OpenAsync(string address)
    {
        WebSocketServerOptions options = new() { EventContext = SynchronizationContext.Current };
        try
        {
            _server = new WebSocketServer(options.Listen(address));
            _server.ClientConnected += (_, e) => Online.Add(e.Client.ToString());
            _server.MessageReceived += async (_, e) =>
            {
                Log.Add($"{DateTime.Now:T} {e.Client.RemoteEndPoint}: {e.Text}");
                await e.Client.SendAsync("seen");
                Title = $"{Log.Count} messages";
            };
            _server.ClientDisconnected += (_, e) => Online.Remove(e.Client.ToString());
            await _server.StartAsync();
            Title = string.Join(", ", _server.EndPoints);
        }
        catch (Exception problem) when (problem is ArgumentException or IOException)
        {
            Title = problem.Message;
        }
    }

    /// <summary>The button "Send to all".</summary>
    public void SendToAll(string text)
    {
        BroadcastResult result = _server!.Clients.Broadcast(text);
        Log.Add($"sent to {result.Accepted}, {result.Dropped} too slow");
    }

    /// <summary>The button "Close".</summary>
    public async Task CloseAsync()
    {
        if (_server is not null)
            await _server.DisposeAsync();
        Title = "closed";
    }

    public async ValueTask DisposeAsync() => await CloseAsync();
}
