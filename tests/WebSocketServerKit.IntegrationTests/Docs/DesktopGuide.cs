using System.Collections.ObjectModel;
using System.ComponentModel;
using System.Runtime.CompilerServices;

namespace WebSocketServerKit.Docs;

/// <summary>The view model of docs/desktop.md, as it stands there.</summary>
internal sealed class MainViewModel : INotifyPropertyChanged, IAsyncDisposable
{
    private WebSocketServer? _server;
    private LiveClientList? _clients;
    private string _status = "closed";

    public event PropertyChangedEventHandler? PropertyChanged;

    public ObservableCollection<string> Log { get; } = []; // bound to a list, as Clients

    public LiveClientList? Clients
    {
        get => _clients;
        private set => Set(ref _clients, value);
    }

    public string Status
    {
        get => _status;
        private set => Set(ref _status, value);
    }

    public async Task OpenAsync(string url) // the button "Open"
    {
        await DisposeAsync();
        WebSocketServerOptions options = new() { Urls = [url], EventContext = SynchronizationContext.Current };
        try
        {
            _server = new WebSocketServer(options);
            _server.MessageReceived += (_, e) => Log.Add($"{e.Client}: {e.Text}");
            await _server.StartAsync();
            Clients = _server.Clients.ToLiveList();
            Status = $"open at {_server.EndPoints[0]}";
        }
        catch (Exception problem) when (problem is IOException or ArgumentException)
        {
            Status = problem.Message; // such as: the address is already in use
        }
    }

    public void SendToAll(string text) // the button "Send"; Broadcast never waits
    {
        if (_server is not null)
            Status = $"sent to {_server.Clients.Broadcast(text).Accepted}";
    }

    public async ValueTask DisposeAsync()
    {
        if (_server is null)
            return;
        Status = "closing";
        await _server.DisposeAsync();
        Clients?.Dispose();
        (_server, Clients, Status) = (null, null, "closed");
    }

    private void Set<T>(ref T field, T value, [CallerMemberName] string property = "")
    {
        field = value;
        PropertyChanged?.Invoke(this, new PropertyChangedEventArgs(property));
    }
}

/// <summary>A window, as far as docs/desktop.md needs one. All of it is used on its thread.</summary>
internal sealed class GuideWindow(MainViewModel model)
{
    private readonly MainViewModel _model = model;

    private bool _isStopping, _hasStopped;

    private async void OnClosing(object? sender, CancelEventArgs e)
    {
        if (_hasStopped)
            return;
        e.Cancel = true; // not yet: handlers need this window's thread
        if (_isStopping)
            return;
        _isStopping = true;
        await Task.Yield(); // a window cannot be closed inside of its own Closing event
        await _model.DisposeAsync();
        _hasStopped = true;
        Close();
    }

    public TaskCompletionSource Closed { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public void Close()
    {
        CancelEventArgs e = new();
        OnClosing(this, e);
        if (!e.Cancel)
            Closed.SetResult();
    }
}
