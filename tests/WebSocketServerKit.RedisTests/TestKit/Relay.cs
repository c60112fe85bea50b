using System.Net;
using System.Net.Sockets;

namespace WebSocketServerKit.TestKit;

/// <summary>
/// The network between one server and Redis. While it is cut, connections stay open and nothing comes through, as when a cable is pulled. While it is slow, what the server sends comes through in pieces that
/// the test lets pass.
/// </summary>
internal sealed class Relay : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly string _socketPath;
    private readonly CancellationTokenSource _ending = new();
    private readonly Task _accepting;
    private volatile SemaphoreSlim? _pieces; // null while it is not slow
    private volatile TaskCompletionSource _open = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Relay(RedisServer redis)
    {
        _socketPath = redis.SocketPath;
        _open.SetResult();
        _listener.Start();
        _accepting = AcceptAsync();
    }

    /// <summary>For a server behind it.</summary>
    public string Configuration => $"{_listener.LocalEndpoint},abortConnect=false,connectTimeout=20000";

    public void Cut() => _open = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);

    public void Mend() => _open.TrySetResult();

    /// <summary>From now on at most 1 KiB comes through for each piece of <see cref="Pass"/>.</summary>
    public void SlowDown() => _pieces = new SemaphoreSlim(0);

    public void Pass(int pieces) => _pieces!.Release(pieces);

    public void SpeedUp()
    {
        SemaphoreSlim pieces = _pieces!;
        _pieces = null;
        pieces.Release(1_000_000);
    }

    public async ValueTask DisposeAsync()
    {
        await _ending.CancelAsync();
        Mend();
        _listener.Dispose();
        await _accepting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _ending.Dispose();
    }

    private async Task AcceptAsync()
    {
        List<Task> passing = [];
        try
        {
            while (true)
                passing.Add(PassAsync(await _listener.AcceptSocketAsync(_ending.Token)));
        }
        catch (OperationCanceledException)
        {
            await Task.WhenAll(passing);
        }
    }

    private async Task PassAsync(Socket client)
    {
        using (client)
        {
            using Socket server = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            await server.ConnectAsync(new UnixDomainSocketEndPoint(_socketPath));
            await Task.WhenAny(PassAsync(client, server, isToRedis: true), PassAsync(server, client, isToRedis: false));
        }
    }

    private async Task PassAsync(Socket from, Socket to, bool isToRedis)
    {
        byte[] buffer = new byte[64 * 1024];
        try
        {
            while (await from.ReceiveAsync(buffer, _ending.Token) is var count and > 0)
            {
                await _open.Task.WaitAsync(_ending.Token);
                for (int sent = 0; sent < count;)
                {
                    int size = count - sent;
                    if (isToRedis && _pieces is { } pieces)
                    {
                        await pieces.WaitAsync(_ending.Token);
                        size = Math.Min(size, 1024);
                    }

                    sent += await to.SendAsync(buffer.AsMemory(sent, size), _ending.Token);
                }
            }
        }
        catch (Exception ended) when (ended is SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // One side has ended, or the test.
        }
    }
}
