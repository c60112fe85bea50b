using System.Net;
using System.Net.Sockets;
using System.Threading.Channels;
using WebSocketServerKit.Transport.Sockets;

namespace WebSocketServerKit.Transport;

/// <summary>A running listener whose accepted connections a test takes one by one; disposing it closes them all.</summary>
internal sealed class AcceptedConnections : IAsyncDisposable
{
    /// <summary>A new token that is cancelled after 30 s: what would hang fails.</summary>
    public static CancellationToken Timely => new CancellationTokenSource(TimeSpan.FromSeconds(30)).Token;

    private readonly Channel<TransportConnection> _accepted = Channel.CreateUnbounded<TransportConnection>();
    private readonly List<TransportConnection> _taken = [];
    private readonly List<IOException> _reports = [];
    private Task _running = Task.CompletedTask;

    /// <summary>Listens, and accepts at once unless told to leave clients in the backlog until <see cref="Run"/>.</summary>
    public AcceptedConnections(EndPoint endPoint, bool run = true, AcceptFactory? accept = null)
    {
        Listener = TransportListener.Start(endPoint, accept: accept);
        if (run)
            Run();
    }

    public TransportListener Listener { get; }

    public IPEndPoint EndPoint => (IPEndPoint)Listener.LocalEndPoint;

    public IReadOnlyList<IOException> Reports => _reports;

    public static AcceptedConnections OnLoopback(AcceptFactory? accept = null) => new(new IPEndPoint(IPAddress.Loopback, 0), accept: accept);

    public void Run() =>
        _running = Listener.RunAsync(connection => _accepted.Writer.TryWrite(connection), _reports.Add, TimeProvider.System);

    /// <summary>Connects a client and takes its connection. The caller disposes the client.</summary>
    public async Task<(Socket Client, TransportConnection Connection)> ConnectAsync()
    {
        Socket client = await ConnectAsync(Listener.LocalEndPoint);
        return (client, await NextAsync());
    }

    public async Task<TransportConnection> NextAsync()
    {
        TransportConnection connection = await _accepted.Reader.ReadAsync(Timely);
        _taken.Add(connection);
        return connection;
    }

    public async ValueTask DisposeAsync()
    {
        Listener.Dispose();
        await _running.WaitAsync(Timely);
        while (_accepted.Reader.TryRead(out TransportConnection? connection))
            _taken.Add(connection);

        foreach (TransportConnection connection in _taken)
            await connection.DisposeAsync();
    }

    public static async Task<Socket> ConnectAsync(EndPoint endPoint)
    {
        var client = new Socket(endPoint.AddressFamily, SocketType.Stream, endPoint is IPEndPoint ? ProtocolType.Tcp : ProtocolType.Unspecified);
        await client.ConnectAsync(endPoint, Timely);
        return client;
    }

    /// <summary>Closes the client's side with a RST.</summary>
    public static void Reset(Socket client)
    {
        client.LingerState = new LingerOption(true, 0);
        client.Close();
    }
}
