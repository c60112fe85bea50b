using System.Buffers.Binary;
using System.Diagnostics;
using System.Globalization;
using System.IO.Compression;
using System.Net.Sockets;
using WebSocketServerKit.LoadTests.Client;

namespace WebSocketServerKit.LoadTests.Uploads;

/// <summary>One client sends one large message: how much memory does the server's process need for it?</summary>
internal static class Upload
{
    private const int Piece = 1024 * 1024;
    private const byte Binary = 0x02;
    private const byte Continuation = 0x00;
    private const byte Fin = 0x80;
    private const byte Rsv1 = 0x40;

    /// <param name="megabytes">The size of each message, in 10^6 bytes.</param>
    /// <param name="messages">How many messages each server gets, one after the other.</param>
    public static async Task<int> RunAsync(int megabytes, int messages)
    {
        Console.WriteLine($"{"message",-26} {"before, MB",10} {"peak, MB",10} {"/ size",8} {"seconds",8}");
        bool isWhole = true;
        foreach (string server in (string[])["gathered", "streamed"])
        {
            foreach (string shape in (string[])["one frame", "fragments", "compressed"])
                isWhole &= await RunAsync(server, shape, megabytes * 1_000_000L, messages);
        }

        return isWhole ? 0 : 1;
    }

    private static async Task<bool> RunAsync(string server, string shape, long size, int messages)
    {
        using UploadServer child = await UploadServer.StartAsync(server);
        using Socket socket = shape == "compressed" ? Handshake.Open(child.Port, "permessage-deflate", out _) : Handshake.Open(child.Port);
        socket.Blocking = true;
        bool isWhole = true;
        for (int i = 0; i < messages; i++)
        {
            UploadReport before = await child.ReportAsync();
            long start = Stopwatch.GetTimestamp();
            Send(socket, shape, size);
            // The answer to a ping comes behind the message's handler.
            socket.Send([0x89, 0x80, 0, 0, 0, 0]);
            Receive(socket, 2);
            TimeSpan time = Stopwatch.GetElapsedTime(start);
            UploadReport after = await child.ReportAsync();
            isWhole &= after.Bytes - before.Bytes == size && after.Messages - before.Messages == 1;
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{server + ", " + shape,-26} {before.Resident / 1e6,10:N0} {after.Peak / 1e6,10:N0} {(double)after.Peak / size,8:N2} {time.TotalSeconds,8:N1}{(isWhole ? "" : "  NOT WHOLE")}"));
        }

        return isWhole;
    }

    private static void Send(Socket socket, string shape, long size)
    {
        byte[] piece = new byte[Piece];
        new Random(1).NextBytes(piece.AsSpan(0, shape == "compressed" ? Piece / 8 : Piece));
        if (shape == "one frame")
            SendHeader(socket, Fin | Binary, size);
        using MemoryStream deflated = new();
        using DeflateStream deflate = new(deflated, CompressionLevel.Fastest, leaveOpen: true);
        for (long sent = 0; sent < size; sent += Piece)
        {
            ReadOnlySpan<byte> next = piece.AsSpan(0, (int)Math.Min(Piece, size - sent));
            bool isLast = sent + Piece >= size;
            if (shape == "compressed")
            {
                deflated.SetLength(0);
                deflate.Write(next);
                deflate.Flush();
                next = deflated.GetBuffer().AsSpan(0, (int)deflated.Length - (isLast ? 4 : 0));
            }

            if (shape != "one frame")
                SendHeader(socket, (byte)((sent > 0 ? Continuation : shape == "compressed" ? Rsv1 | Binary : Binary) | (isLast ? Fin : 0)), next.Length);
            Send(socket, next);
        }
    }

    // With a key of zeros, so that the payload is as it is.
    private static void SendHeader(Socket socket, byte first, long length)
    {
        Span<byte> header = stackalloc byte[14];
        header.Clear();
        header[0] = first;
        header[1] = (byte)(0x80 | (length < 126 ? length : length <= ushort.MaxValue ? 126 : 127));
        if (length > ushort.MaxValue)
            BinaryPrimitives.WriteInt64BigEndian(header[2..], length);
        else if (length >= 126)
            BinaryPrimitives.WriteUInt16BigEndian(header[2..], (ushort)length);
        Send(socket, header[..(length < 126 ? 6 : length <= ushort.MaxValue ? 8 : 14)]);
    }

    private static void Send(Socket socket, ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
            bytes = bytes[socket.Send(bytes)..];
    }

    private static void Receive(Socket socket, int count)
    {
        byte[] received = new byte[count];
        for (int length = 0; length < count;)
        {
            int more = socket.Receive(received, length, count - length, SocketFlags.None);
            length += more > 0 ? more : throw new IOException("The server ended the connection.");
        }
    }
}
