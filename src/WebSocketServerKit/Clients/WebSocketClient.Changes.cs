using System.ComponentModel;

namespace WebSocketServerKit;

// What a bound row of a LiveClientList shows.
public sealed partial class WebSocketClient : INotifyPropertyChanged
{
    private static readonly PropertyChangedEventArgs AllProperties = new("");

    /// <summary>
    /// Raised by <see cref="LiveClientList"/>s alone, on their context: groups, tags, subscriptions or the <see cref="State"/> of the client have changed. The name of the property is empty, which stands for all. Without such a
    /// list it is never raised: then use <see cref="ClientRegistry.WatchAsync"/>.
    /// </summary>
    public event PropertyChangedEventHandler? PropertyChanged;

    internal void RaisePropertyChanged() => PropertyChanged?.Invoke(this, AllProperties);
}
