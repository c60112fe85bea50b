using System.Net.Sockets;
using WebSocketServerKit.LoadTests.Servers;

namespace WebSocketServerKit.LoadTests.Client;

/// <summary>Sends JSON messages one after the other, compressed if that was agreed on, and inflates some of what comes back to hold it against them.</summary>
internal sealed class JsonEcho : Dialogue
{
    // One in so many messages is inflated where each can be by itself.
    private const int CheckEvery = 16;

    private readonly JsonFrames _frames;
    private readonly bool _compressed;
    private readonly Inflater? _context; // refers to all messages before
    private readonly bool _checksAny;
    private readonly byte[] _payload;    // of the message that is coming in
    private int _length;
    private bool _cameCompressed;
    private int _next;                   // to be sent
    private int _awaited;

    private JsonEcho(JsonMessageSet messages, string? agreed, int number)
    {
        _compressed = agreed is not null;
        _frames = _compressed ? messages.Compressed : messages.Plain;
        bool takesOver = _compressed && !agreed!.Contains("server_no_context_takeover", StringComparison.Ordinal);
        // With context takeover a message can be inflated only after all before it: that is done for the first client.
        _checksAny = !takesOver || number == 0;
        _context = takesOver && _checksAny ? new Inflater() : null;
        _payload = new byte[_checksAny ? messages.Size + 1024 : 0];
        // Each begins at another place.
        _next = _awaited = number * 7 % _frames.Count;
    }

    public override int MaxBatch => _frames.MaxBatch;

    /// <summary>Connects and offers compression.</summary>
    /// <param name="server">Decides on it.</param>
    /// <param name="messages">To send, and to expect.</param>
    /// <param name="number">Of this client; the first is 0.</param>
    /// <param name="dialogue">For the new connection.</param>
    public static Socket Open(ServerProcess server, JsonMessageSet messages, int number, out JsonEcho dialogue)
    {
        Socket socket = Handshake.Open(server.Port, server.Contender.Offer, out string? agreed);
        CheckAgreement(agreed);
        dialogue = new JsonEcho(messages, agreed, number);
        return socket;
    }

    public override ReadOnlyMemory<byte> Frames(int count)
    {
        ReadOnlyMemory<byte> frames = _frames.Get(_next, count);
        _next = (_next + count) % _frames.Count;
        return frames;
    }

    protected override bool Expects(int firstOctet, bool isFirst)
    {
        if (!isFirst)
            return firstOctet == 0;
        _cameCompressed = firstOctet == 0x41;
        return firstOctet == 0x01 || (_compressed && _cameCompressed);
    }

    protected override void Take(ReadOnlySpan<byte> payload)
    {
        if (!IsChecked)
            return;
        if (payload.Length > _payload.Length - _length)
            throw new InvalidDataException("The server sent more than was sent to it.");
        payload.CopyTo(_payload.AsSpan(_length));
        _length += payload.Length;
    }

    protected override int End()
    {
        if (IsChecked)
        {
            ReadOnlySpan<byte> message = _payload.AsSpan(0, _length);
            if (_cameCompressed && _context is not null)
            {
                message = _context.Inflate(message);
            }
            else if (_cameCompressed)
            {
                using Inflater fresh = new();
                message = fresh.Inflate(message);
            }

            if (!message.SequenceEqual(_frames.MessageAt(_awaited)))
                throw new InvalidDataException("The server sent another message than the one that was sent to it.");
        }

        _length = 0;
        _awaited = (_awaited + 1) % _frames.Count;
        return 1;
    }

    private bool IsChecked => _checksAny && (_context is not null || _awaited % CheckEvery == 0);

    // The frames were compressed in advance, without reference to others: whatever is agreed on allows that, except a smaller window.
    private static void CheckAgreement(string? agreed)
    {
        string[] parts = agreed?.Split(';', StringSplitOptions.TrimEntries) ?? [];
        if (parts.Any(part => part.StartsWith("client_max_window_bits", StringComparison.Ordinal) && part != "client_max_window_bits=15") || (parts.Length > 0 && parts[0] != "permessage-deflate"))
            throw new InvalidDataException($"The server agreed on something else: {agreed}");
    }
}
