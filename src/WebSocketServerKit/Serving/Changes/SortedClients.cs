using System.Collections.ObjectModel;
using System.Collections.Specialized;
using System.ComponentModel;

namespace WebSocketServerKit.Serving.Changes;

/// <summary>
/// Clients in the order of their ids, which raises the events that the views of user interfaces want: for each client that is added or removed one event with its index, raised when exactly this change
/// has been made; or one Reset for many changes.
/// <para>Not thread-safe: <see cref="LiveClientList"/> uses it on one context.</para>
/// </summary>
internal sealed class SortedClients : ObservableCollection<WebSocketClient>
{
    /// <summary>Makes one change, and raises its event. Nothing happens if it is made already.</summary>
    public void Apply(ClientChange change)
    {
        int place = PlaceOf(change.Client);
        bool isPresent = place < Count && this[place] == change.Client;
        if (change.Kind == ClientChangeKind.Connected && !isPresent)
            Insert(place, change.Client);
        else if (change.Kind == ClientChangeKind.Disconnected && isPresent)
            RemoveAt(place);
    }

    /// <summary>Makes several changes and then raises one Reset.</summary>
    public void ApplyAll(IEnumerable<ClientChange> changes)
    {
        var clients = new HashSet<WebSocketClient>(Items);
        foreach (ClientChange change in changes)
        {
            if (change.Kind == ClientChangeKind.Connected)
                clients.Add(change.Client);
            else if (change.Kind == ClientChangeKind.Disconnected)
                clients.Remove(change.Client);
        }

        Items.Clear();
        foreach (WebSocketClient client in clients.OrderBy(client => client.Id))
            Items.Add(client);
        OnPropertyChanged(new PropertyChangedEventArgs(nameof(Count)));
        OnPropertyChanged(new PropertyChangedEventArgs("Item[]"));
        OnCollectionChanged(new NotifyCollectionChangedEventArgs(NotifyCollectionChangedAction.Reset));
    }

    // The index at which the client is, or belongs.
    private int PlaceOf(WebSocketClient client)
    {
        int from = 0, to = Count;
        while (from < to)
        {
            int middle = (from + to) / 2;
            if (this[middle].Id < client.Id)
                from = middle + 1;
            else
                to = middle;
        }

        return from;
    }
}
