using System.Net.Sockets;

namespace WebSocketServerKit.LoadTests.Client;

/// <summary>
/// TLS 1.3 directly on OpenSSL: SslStream would cost the load more than the server's work. The client dictates the cipher suite and the group, so that all servers
/// do the same work, and it never resumes a session. Records do not show outside: a receive call gives all that the socket's gave, in however many records, and a
/// send call puts all its records into one of the socket's. So the clients bundle as they do without TLS.
/// </summary>
internal sealed unsafe class TlsTransport : ClientTransport
{
    // What one send call takes at most.
    private const int MaxSend = 256 * 1024;

    private static readonly nint Context = OpenSsl.NewClientContext();

    // The connections of a thread take turns, so one buffer does for all of them. It has room for what a send call makes of its bytes.
    [ThreadStatic]
    private static byte[]? _ciphertext;

    private readonly nint _ssl;
    private readonly nint _input;  // came, and is to be decrypted
    private readonly nint _output; // is to be sent
    private byte[]? _request;      // waits for the end of the handshake
    private bool _disposed;

    /// <summary>Begins the handshake.</summary>
    /// <param name="socket">Connected, and it does not block.</param>
    /// <param name="request">To be sent as soon as the handshake is done, in a send call of its own.</param>
    public TlsTransport(Socket socket, byte[] request)
        : base(socket)
    {
        _request = request;
        (_ssl, _input, _output) = OpenSsl.NewClient(Context);
        Continue(OpenSsl.Handshake(_ssl));
    }

    public override bool AwaitsRoom => OpenSsl.Pending(_output, out _) > 0;

    public override int Receive(Span<byte> buffer, out SocketError error)
    {
        byte[] ciphertext = _ciphertext ??= new byte[MaxSend + MaxSend / 8];
        error = SocketError.Success;
        int length = 0;
        while (length < buffer.Length)
        {
            // Before the handshake is done this continues it.
            int count = OpenSsl.Read(_ssl, ref buffer[length], buffer.Length - length);
            if (count > 0)
            {
                length += count;
                continue;
            }

            if (!Continue(count) || length > 0)
                break;
            count = Socket.Receive(ciphertext, SocketFlags.None, out error);
            if (count == 0 || error != SocketError.Success)
                return 0;
            OpenSsl.Give(_input, ciphertext.AsSpan(0, count));
        }

        return length;
    }

    public override int Send(ReadOnlySpan<byte> bytes, out SocketError error)
    {
        Flush();
        error = AwaitsRoom ? SocketError.WouldBlock : SocketError.Success;
        if (error != SocketError.Success)
            return 0;
        bytes = bytes[..Math.Min(bytes.Length, MaxSend)];
        OpenSsl.Write(_ssl, bytes);
        Flush();
        return bytes.Length;
    }

    public override void Flush()
    {
        int length = OpenSsl.Pending(_output, out nint bytes);
        if (length == 0)
            return;
        // Errors are found by reading.
        int sent = Socket.Send(new ReadOnlySpan<byte>((void*)bytes, length), SocketFlags.None, out _);
        OpenSsl.Drop(_output, sent, _ciphertext ??= new byte[MaxSend + MaxSend / 8]);
    }

    public override void Dispose()
    {
        if (!_disposed)
            OpenSsl.Free(_ssl);
        _disposed = true;
        base.Dispose();
    }

    // Whether there is more to come.
    private bool Continue(int result)
    {
        bool ended = OpenSsl.IsEnd(_ssl, result);
        if (ended)
            OpenSsl.End(_ssl);
        Flush();
        if (_request is { } request && OpenSsl.IsHandshakeDone(_ssl))
        {
            _request = null;
            Send(request, out _);
        }

        return !ended;
    }
}
