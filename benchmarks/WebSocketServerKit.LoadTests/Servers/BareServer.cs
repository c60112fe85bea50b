using System.Buffers.Binary;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Numerics;
using System.Runtime.InteropServices;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace WebSocketServerKit.LoadTests.Servers;

/// <summary>
/// The least that a server over .NET's sockets can do: a loop of receiving, unmasking and sending for each client. It checks nothing, limits nothing, raises no
/// event, survives no bad input and no slow client. What it costs is the floor under the others.
/// </summary>
internal static class BareServer
{
    private const int BufferSize = 64 * 1024;

    private static readonly List<Socket> Clients = [];

    /// <param name="broadcasts">Whether messages go to all clients; not over TLS.</param>
    /// <param name="certificate">For TLS, with SslStream over the socket; otherwise null.</param>
    public static Task<int> StartAsync(bool broadcasts, X509Certificate2? certificate = null)
    {
        TcpListener listener = new(IPAddress.Loopback, 0);
        listener.Start(512);
        SslServerAuthenticationOptions? tls = certificate is null ? null : new() { ServerCertificateContext = SslStreamCertificateContext.Create(certificate, additionalCertificates: null) };
        _ = AcceptAsync(listener, broadcasts, tls);
        return Task.FromResult(((IPEndPoint)listener.LocalEndpoint).Port);
    }

    private static async Task AcceptAsync(TcpListener listener, bool broadcasts, SslServerAuthenticationOptions? tls)
    {
        while (true)
        {
            Socket socket = await listener.AcceptSocketAsync();
            socket.NoDelay = true;
            _ = ServeAsync(socket, broadcasts, tls);
        }
    }

    private static async Task ServeAsync(Socket socket, bool broadcasts, SslServerAuthenticationOptions? tls)
    {
        await using SslStream? stream = tls is null ? null : new SslStream(new NetworkStream(socket, ownsSocket: false));
        // Room for any message of the rows, and for the end of the one before it.
        byte[] input = new byte[BufferSize], output = new byte[2 * BufferSize];
        try
        {
            if (stream is not null)
                await stream.AuthenticateAsServerAsync(tls!);
            byte[] answer = Answer(Encoding.ASCII.GetString(input, 0, await ReceiveAsync(input)));
            if (stream is null)
                await socket.SendAsync(answer);
            else
                await stream.WriteAsync(answer);
            lock (Clients)
                Clients.Add(socket);
            for (int length = 0; ;)
            {
                int count = await ReceiveAsync(input.AsMemory(length));
                if (count == 0)
                    return;
                length += count;
                int taken = Reply(input.AsSpan(0, length), ref output, out int written);
                if (broadcasts)
                    SendToAll(output.AsSpan(0, written));
                else if (written > 0 && stream is null)
                    await socket.SendAsync(output.AsMemory(0, written));
                else if (written > 0)
                    await stream!.WriteAsync(output.AsMemory(0, written));
                length -= taken;
                input.AsSpan(taken, length).CopyTo(input);
                if (length > input.Length / 2)
                    Array.Resize(ref input, 2 * input.Length);
            }
        }
        catch (Exception problem) when (problem is SocketException or IOException or AuthenticationException)
        {
            // The client is gone.
        }
        finally
        {
            lock (Clients)
                Clients.Remove(socket);
            socket.Dispose();
        }

        ValueTask<int> ReceiveAsync(Memory<byte> buffer) => stream?.ReadAsync(buffer) ?? socket.ReceiveAsync(buffer);
    }

    // Turns all whole frames into frames without a mask.
    private static int Reply(Span<byte> input, ref byte[] output, out int written)
    {
        int taken = 0;
        written = 0;
        while (input.Length - taken >= 6)
        {
            Span<byte> frame = input[taken..];
            int length = frame[1] & 0x7F, header = 2;
            if (length >= 126)
            {
                header = length == 126 ? 4 : 10;
                if (frame.Length < header + 4)
                    break;
                length = length == 126 ? BinaryPrimitives.ReadUInt16BigEndian(frame[2..]) : (int)BinaryPrimitives.ReadUInt64BigEndian(frame[2..]);
            }

            if (frame.Length < header + 4 + length)
                break;
            if (output.Length < written + header + length)
                Array.Resize(ref output, 2 * (written + header + length));
            Span<byte> reply = output.AsSpan(written);
            frame[..header].CopyTo(reply);
            reply[1] &= 0x7F;
            Unmask(frame.Slice(header + 4, length), reply[header..], MemoryMarshal.Read<uint>(frame[header..]));
            written += header + length;
            taken += header + 4 + length;
        }

        return taken;
    }

    private static void Unmask(ReadOnlySpan<byte> from, Span<byte> to, uint key)
    {
        int i = 0;
        var wide = Vector.AsVectorByte(new Vector<uint>(key));
        for (; i <= from.Length - Vector<byte>.Count; i += Vector<byte>.Count)
            (new Vector<byte>(from[i..]) ^ wide).CopyTo(to[i..]);
        for (; i < from.Length; i++)
            to[i] = (byte)(from[i] ^ (byte)(key >> (8 * (i & 3))));
    }

    private static void SendToAll(ReadOnlySpan<byte> frame)
    {
        lock (Clients)
        {
            foreach (Socket client in Clients)
                client.Send(frame);
        }
    }

    private static byte[] Answer(string request)
    {
        string key = request.Split("Sec-WebSocket-Key:", 2)[1].Split("\r\n", 2)[0].Trim();
#pragma warning disable CA5350 // RFC 6455 4.2.2 asks for SHA-1.
        string accept = Convert.ToBase64String(SHA1.HashData(Encoding.ASCII.GetBytes($"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11")));
#pragma warning restore CA5350
        return Encoding.ASCII.GetBytes($"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n");
    }
}
