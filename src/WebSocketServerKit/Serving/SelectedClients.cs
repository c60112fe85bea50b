using System.Buffers;

namespace WebSocketServerKit.Serving;

/// <summary>The clients that a selection has found in the indexes at one moment. Dispose it once: it may be in an array of the pool.</summary>
internal readonly struct SelectedClients(WebSocketClient[] clients, int count, bool isRented = false) : IDisposable
{
    public int Count => count;

    public WebSocketClient this[int index] => clients[index];

    /// <summary>Returns the array if it was rented, without the clients: the pool must not keep them alive.</summary>
    public void Dispose()
    {
        if (isRented)
            ArrayPool<WebSocketClient>.Shared.Return(clients, clearArray: true);
    }
}
