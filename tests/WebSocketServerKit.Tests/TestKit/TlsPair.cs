using System.IO.Pipelines;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using WebSocketServerKit.Transport.Pipes;
using WebSocketServerKit.Transport.Tls;

namespace WebSocketServerKit.TestKit;

/// <summary>A server's connection over TLS in memory, with a client of the framework at its other end.</summary>
internal sealed class TlsPair : IAsyncDisposable
{
    /// <summary>Made once: a new key takes some milliseconds.</summary>
    public static readonly X509Certificate2 Certificate = SelfSignedCertificate.Create(["localhost"]);

    private readonly Pipe _toServer = new(new PipeOptions(useSynchronizationContext: false));
    private readonly Pipe _toClient = new(new PipeOptions(pauseWriterThreshold: 0, useSynchronizationContext: false));

    public TlsPair()
    {
        Under = new PipeTransportConnection(new DuplexPipeCarrier(_toServer.Reader, _toClient.Writer), null, null, Pool);
        Server = new TlsTransportConnection(Under, Authentication, Pool);
        Under.Start();
        Raw = new JoinedStream(_toClient.Reader.AsStream(), _toServer.Writer.AsStream());
        Client = new SslStream(Raw, leaveInnerStreamOpen: true, (_, certificate, _, _) => certificate!.Subject == Certificate.Subject);
    }

    public static TlsAuthentication Authentication { get; } =
        new([], new TlsHost(context => new SslServerAuthenticationOptions { ServerCertificateContext = context }, CertificateFile.CreateContext(Certificate, null)));

    public LeakCheckingPool Pool { get; } = new();

    public PipeTransportConnection Under { get; }

    public TlsTransportConnection Server { get; }

    public SslStream Client { get; }

    /// <summary>The encrypted bytes, both ways.</summary>
    public JoinedStream Raw { get; }

    /// <summary>Both sides shake hands.</summary>
    public async Task AuthenticateAsync(SslClientAuthenticationOptions? options = null)
    {
        Task server = Server.AuthenticateAsync().AsTask();
        await Client.AuthenticateAsClientAsync(options ?? new SslClientAuthenticationOptions { TargetHost = "localhost" }, TestContext.Current.CancellationToken).InTime();
        await server.InTime();
    }

    /// <summary>Encrypted bytes of the client, in place of sending them.</summary>
    public async Task<byte[]> EncryptAsync(byte[] bytes)
    {
        Raw.Held = [];
        await Client.WriteAsync(bytes, TestContext.Current.CancellationToken);
        byte[] encrypted = [.. Raw.Held];
        Raw.Held = null;
        return encrypted;
    }

    public async ValueTask DisposeAsync()
    {
        Server.Abort();
        await Server.DisposeAsync();
        await Client.DisposeAsync();
        await Under.WhenClosed().InTime();
        await Polling.UntilAsync(() => Pool.Rented == 0);
    }

    /// <summary>Two streams of one direction each.</summary>
    internal sealed class JoinedStream(Stream input, Stream output) : Stream
    {
        /// <summary>Takes what is written, in place of the output, while it is not null.</summary>
        public List<byte>? Held { get; set; }

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            await input.ReadAsync(buffer, cancellationToken);

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (Held is { } held)
                held.AddRange(buffer.Span);
            else
                await output.WriteAsync(buffer, cancellationToken);
        }

        public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask; // each write is flushed

        public override void Flush() => throw new NotSupportedException();

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
            input.Dispose();
            output.Dispose();
            base.Dispose(disposing);
        }
    }
}
