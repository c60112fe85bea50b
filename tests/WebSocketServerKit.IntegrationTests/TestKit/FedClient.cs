using System.Buffers.Binary;
using System.IO.Pipelines;
using System.IO.Pipes;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using WebSocketServerKit.Protocol.Framing;

namespace WebSocketServerKit.TestKit;

/// <summary>What carries a connection that a test feeds to a server.</summary>
public enum Carrier
{
    /// <summary>Two pipes in memory.</summary>
    Pipes,

    /// <summary>The stream of a TCP connection.</summary>
    Network,

    /// <summary>TLS over that.</summary>
    Tls,

    /// <summary>The stream of a TCP connection, which the server may use directly.</summary>
    TrustedNetwork,

    /// <summary>TLS over that, which the server may use directly.</summary>
    TrustedTls,

    /// <summary>A named pipe. It cannot end one direction, and does not tell a crash of its other side from its end.</summary>
    NamedPipe,
}

/// <summary>
/// A client whose connection a test has made itself and fed to the server. It controls every byte that it sends, and takes whole frames. One reader and one writer at a time.
/// </summary>
internal sealed class FedClient : IAsyncDisposable
{
    private static readonly Lazy<X509Certificate2> Made = new(MakeCertificate);

    private readonly Stream _stream;
    private readonly Func<Task> _end;
    private readonly Action _lose;

    private FedClient(Stream stream, Task served, Func<Task> end, Action lose)
    {
        _stream = stream;
        Served = served;
        _end = end;
        _lose = lose;
    }

    /// <summary>The server's certificate for <c>localhost</c>.</summary>
    public static X509Certificate2 Certificate => Made.Value;

    /// <summary>The server's task for it.</summary>
    public Task Served { get; }

    /// <summary>Feeds a new connection to the server, and sends nothing.</summary>
    public static async Task<FedClient> ConnectAsync(
        WebSocketServer server, Carrier carrier, EndPoint? remoteEndPoint = null, CancellationTokenSource? cut = null, AcceptOptions? options = null)
    {
        options ??= new AcceptOptions();
        options.RemoteEndPoint ??= remoteEndPoint;
        options.IsStreamTrusted = carrier is Carrier.TrustedNetwork or Carrier.TrustedTls;
        if (carrier == Carrier.Pipes)
            return ConnectPipes(server, options, cut?.Token ?? default);
        if (carrier == Carrier.NamedPipe)
            return await ConnectNamedPipeAsync(server, options, cut?.Token ?? default);

        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        // Small buffers of the system, so that back-pressure is soon there.
        var client = new TcpClient { ReceiveBufferSize = 16 * 1024, NoDelay = true };
        await client.ConnectAsync((IPEndPoint)listener.LocalEndpoint, TestServer.Timely);
        TcpClient accepted = await listener.AcceptTcpClientAsync(TestServer.Timely);
        accepted.SendBufferSize = 16 * 1024;
        Stream ours = client.GetStream();
        Stream theirs = accepted.GetStream();
        Func<Task> end = () =>
        {
            client.Client.Shutdown(SocketShutdown.Send);
            return Task.CompletedTask;
        };
        if (carrier is Carrier.Tls or Carrier.TrustedTls)
        {
            var secureOurs = new SslStream(ours, leaveInnerStreamOpen: false, (_, certificate, _, _) => certificate!.Equals(Certificate));
            var secureTheirs = new SslStream(theirs, leaveInnerStreamOpen: false);
            await Task.WhenAll(
                secureOurs.AuthenticateAsClientAsync("localhost"),
                secureTheirs.AuthenticateAsServerAsync(Certificate)).Timely();
            (ours, theirs) = (secureOurs, secureTheirs);
            end = secureOurs.ShutdownAsync;
        }

        options.RemoteEndPoint ??= accepted.Client.RemoteEndPoint;
        options.LocalEndPoint ??= accepted.Client.LocalEndPoint;
        Task served = server.AcceptAsync(theirs, options, cut?.Token ?? default);
        return new FedClient(ours, served, end, () =>
        {
            client.Client.LingerState = new LingerOption(true, 0);
            client.Client.Dispose();
        });
    }

    /// <summary>The same, and the opening handshake is done.</summary>
    public static async Task<FedClient> OpenAsync(
        WebSocketServer server, Carrier carrier, EndPoint? remoteEndPoint = null, CancellationTokenSource? cut = null, AcceptOptions? options = null)
    {
        FedClient client = await ConnectAsync(server, carrier, remoteEndPoint, cut, options);
        await client.WriteAsync(TestClient.Request());
        Assert.StartsWith("HTTP/1.1 101 ", await client.ReadHeadAsync(), StringComparison.Ordinal);
        return client;
    }

    public async Task WriteAsync(ReadOnlyMemory<byte> bytes)
    {
        await _stream.WriteAsync(bytes, TestServer.Timely);
        await _stream.FlushAsync(TestServer.Timely);
    }

    public Task SendAsync(string text) => WriteAsync(TestClient.Text(text));

    /// <summary>The head of an HTTP answer.</summary>
    public async Task<string> ReadHeadAsync()
    {
        var head = new StringBuilder();
        byte[] octet = new byte[1];
        while (head.Length < 4 || !head.ToString(head.Length - 4, 4).Equals("\r\n\r\n", StringComparison.Ordinal))
        {
            await _stream.ReadExactlyAsync(octet, TestServer.Timely);
            head.Append((char)octet[0]);
        }

        return head.ToString();
    }

    public async Task<ReceivedFrame> ReadFrameAsync()
    {
        byte[] head = new byte[10];
        await _stream.ReadExactlyAsync(head.AsMemory(0, 2), TestServer.Timely);
        Assert.Equal(0, head[1] & 0x80); // a server must not mask
        int length = head[1] & 0x7F;
        int more = length switch { 126 => 2, 127 => 8, _ => 0 };
        await _stream.ReadExactlyAsync(head.AsMemory(2, more), TestServer.Timely);
        length = more switch
        {
            2 => BinaryPrimitives.ReadUInt16BigEndian(head.AsSpan(2)),
            8 => checked((int)BinaryPrimitives.ReadUInt64BigEndian(head.AsSpan(2))),
            _ => length,
        };
        byte[] payload = new byte[length];
        await _stream.ReadExactlyAsync(payload, TestServer.Timely);
        var opcode = (Opcode)(head[0] & 0x0F);
        bool isClose = opcode == Opcode.Close && length >= 2;
        return new ReceivedFrame(
            opcode, (head[0] & 0x80) != 0, payload, isClose ? BinaryPrimitives.ReadUInt16BigEndian(payload) : 0, isClose ? Encoding.UTF8.GetString(payload.AsSpan(2)) : "");
    }

    public async Task<string> ReadTextAsync()
    {
        ReceivedFrame frame = await ReadFrameAsync();
        Assert.Equal(Opcode.Text, frame.Opcode);
        return frame.Text;
    }

    /// <summary>A Close frame with this code, and behind it the end.</summary>
    public async Task AssertClosedAsync(int code)
    {
        ReceivedFrame frame = await ReadFrameAsync();
        Assert.Equal((Opcode.Close, code), (frame.Opcode, frame.CloseCode));
        Assert.Equal(0, await _stream.ReadAsync(new byte[1], TestServer.Timely));
    }

    /// <summary>The connection ends without a further byte, cleanly or not.</summary>
    public async Task AssertCutAsync()
    {
        try
        {
            Assert.Equal(0, await _stream.ReadAsync(new byte[1], TestServer.Timely));
        }
        catch (IOException)
        {
            // A reset.
        }
    }

    /// <summary>Ends its own side and goes on reading.</summary>
    public Task EndAsync() => _end();

    /// <summary>Is gone, as after a crash.</summary>
    public void Lose() => _lose();

    /// <summary>Answers the server's Close frame, and leaves.</summary>
    public async Task LeaveAsync(int code = 1000, bool hasReadClose = false)
    {
        await WriteAsync(TestClient.Close(code));
        if (!hasReadClose)
            await AssertClosedAsync(code);
        await EndAsync();
        await Served.Timely();
    }

    public ValueTask DisposeAsync() => _stream.DisposeAsync();

    private static FedClient ConnectPipes(WebSocketServer server, AcceptOptions options, CancellationToken cancellationToken)
    {
        var fromClient = new Pipe();
        var toClient = new Pipe();
        Task served = server.AcceptAsync(new DuplexPipe(fromClient.Reader, toClient.Writer), options, cancellationToken);
        var stream = new TwoStreams(toClient.Reader.AsStream(), fromClient.Writer.AsStream());
        return new FedClient(stream, served, () => fromClient.Writer.CompleteAsync().AsTask(), () =>
        {
            fromClient.Writer.Complete(new IOException("The client has crashed."));
            toClient.Reader.Complete(new IOException("The client has crashed."));
        });
    }

    private static async Task<FedClient> ConnectNamedPipeAsync(WebSocketServer server, AcceptOptions options, CancellationToken cancellationToken)
    {
        string name = $"wsk-{Guid.NewGuid():N}";
        NamedPipeServerStream theirs = new(name, PipeDirection.InOut, 1, PipeTransmissionMode.Byte, System.IO.Pipes.PipeOptions.Asynchronous, 16 * 1024, 16 * 1024);
        NamedPipeClientStream ours = new(".", name, PipeDirection.InOut, System.IO.Pipes.PipeOptions.Asynchronous);
        await Task.WhenAll(theirs.WaitForConnectionAsync(TestServer.Timely), ours.ConnectAsync(TestServer.Timely));
        return new FedClient(ours, server.AcceptAsync(theirs, options, cancellationToken), () => Task.CompletedTask, ours.Dispose);
    }

    private static X509Certificate2 MakeCertificate()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using X509Certificate2 made = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256)
            .CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        // Windows takes no key for TLS that was made in memory.
        return X509CertificateLoader.LoadPkcs12(made.Export(X509ContentType.Pkcs12), null);
    }

    internal sealed record DuplexPipe(PipeReader Input, PipeWriter Output) : IDuplexPipe;

    private sealed class TwoStreams(Stream input, Stream output) : Stream
    {
        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => input.ReadAsync(buffer, cancellationToken);

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) => output.WriteAsync(buffer, cancellationToken);

        public override Task FlushAsync(CancellationToken cancellationToken) => output.FlushAsync(cancellationToken);

        public override async ValueTask DisposeAsync()
        {
            await output.DisposeAsync();
            await input.DisposeAsync();
            await base.DisposeAsync();
        }

        public override void Flush() => output.Flush();

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
