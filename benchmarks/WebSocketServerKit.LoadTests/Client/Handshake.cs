using System.Net;
using System.Net.Sockets;
using System.Text;
using WebSocketServerKit.LoadTests.Servers;

namespace WebSocketServerKit.LoadTests.Client;

/// <summary>The opening handshake with a key that is always the same.</summary>
internal static class Handshake
{
    private const string Fields =
        "Host: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    private const string ExtensionsField = "Sec-WebSocket-Extensions:";

    public static readonly byte[] Request = RequestOf("/", Fields);

    /// <summary>Connects and sends the request, under TLS as soon as its handshake is done.</summary>
    /// <param name="server">At 127.0.0.1.</param>
    /// <param name="node">Which of its processes.</param>
    /// <param name="source">An address from 127.0.0.0/8, each of which has source ports of its own; null for 127.0.0.1.</param>
    public static ClientTransport Begin(ServerProcess server, IPAddress? source = null, int node = 0)
    {
        Socket socket = Connect(server.PortOf(node), source);
        if (server.UsesTls)
            return new TlsTransport(socket, Request);
        socket.Send(Request);
        return new ClientTransport(socket);
    }

    /// <summary>Whether the answer is complete.</summary>
    /// <exception cref="InvalidDataException">It is a refusal.</exception>
    public static bool IsDone(ReadOnlySpan<byte> answer)
    {
        if (!answer.EndsWith("\r\n\r\n"u8))
            return false;
        if (!answer.StartsWith("HTTP/1.1 101"u8) || answer.IndexOf("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="u8) < 0)
            throw new InvalidDataException("The handshake was refused.");
        return true;
    }

    /// <summary>Connects and gets the handshake done, that of TLS included, and the greeting of the server's protocol.</summary>
    public static ClientTransport Open(ServerProcess server, int node = 0)
    {
        ClientTransport transport = Begin(server, node: node);
        if (server.Contender.Greeting is not { } greeting)
        {
            Await(transport);
        }
        else
        {
            byte[] last = Encoding.ASCII.GetBytes(greeting.LastAnswer);
            if (greeting.Request is { } request)
            {
                Await(transport);
                transport.Socket.Send(MaskedFrame.Of(0x81, Encoding.ASCII.GetBytes(request)));
            }

            Receive(transport, received => received.EndsWith(last)); // it may come right behind the answer to the handshake
        }

        return transport;
    }

    /// <summary>Connects and gets the handshake done.</summary>
    public static Socket Open(int port, string path = "/") => Open(port, RequestOf(path, Fields), out _);

    /// <summary>Connects, offers an extension, and gets the handshake done.</summary>
    /// <param name="port">Of the server.</param>
    /// <param name="offer">The value of <c>Sec-WebSocket-Extensions</c> in the request.</param>
    /// <param name="agreed">Its value in the answer; null if there is none.</param>
    public static Socket Open(int port, string offer, out string? agreed)
    {
        Socket socket = Open(port, RequestOf("/", $"{Fields}{ExtensionsField}{offer}\r\n"), out string answer);
        agreed = answer.Split("\r\n").SingleOrDefault(line => line.StartsWith(ExtensionsField, StringComparison.OrdinalIgnoreCase))?[ExtensionsField.Length..].Trim();
        return socket;
    }

    /// <summary>Begins to connect: as soon as the socket can be written, the request can be sent.</summary>
    public static Socket BeginConnect(int port)
    {
        Socket socket = NewSocket();
        socket.Blocking = false;
        try
        {
            socket.Connect(new IPEndPoint(IPAddress.Loopback, port));
        }
        catch (SocketException problem) when (problem.SocketErrorCode == SocketError.WouldBlock)
        {
            // That is how a socket says it that does not block.
        }

        return socket;
    }

    // It does not block any more.
    private static Socket Connect(int port, IPAddress? source = null)
    {
        Socket socket = NewSocket();
        if (source is not null)
            socket.Bind(new IPEndPoint(source, 0));
        socket.Connect(new IPEndPoint(IPAddress.Loopback, port));
        socket.Blocking = false;
        return socket;
    }

    private static Socket Open(int port, byte[] request, out string answer)
    {
        Socket socket = Connect(port);
        socket.Send(request);
        answer = Await(new ClientTransport(socket));
        return socket;
    }

    private static string Await(ClientTransport transport) => Receive(transport, IsDone);

    private static string Receive(ClientTransport transport, Func<ReadOnlySpan<byte>, bool> isDone)
    {
        Span<byte> received = stackalloc byte[1024];
        int length = 0;
        while (!isDone(received[..length]))
        {
            if (!transport.Socket.Poll(TimeSpan.FromSeconds(30), SelectMode.SelectRead))
                throw new TimeoutException("The server does not answer.");
            int count = transport.Receive(received[length..], out SocketError error);
            if (count == 0 && error != SocketError.WouldBlock)
                throw new IOException($"The server ended the connection in the handshake ({error}).");
            length += count;
        }

        return Encoding.ASCII.GetString(received[..length]);
    }

    private static Socket NewSocket() => new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };

    private static byte[] RequestOf(string path, string fields) => Encoding.ASCII.GetBytes($"GET {path} HTTP/1.1\r\n{fields}\r\n");
}
