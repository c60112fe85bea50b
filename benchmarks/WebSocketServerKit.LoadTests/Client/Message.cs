namespace WebSocketServerKit.LoadTests.Client;

/// <summary>The message that every client sends and expects back: its payload, and many masked frames of it ready to be sent.</summary>
internal sealed class Message
{
    // What one send call takes at most.
    private const int BatchSize = 256 * 1024;

    private readonly byte[] _frames;
    private readonly int _frameSize;

    public Message(int size, bool text, int atOnce)
        : this(Letters(size), text, atOnce)
    {
    }

    public Message(byte[] payload, bool text, int atOnce)
    {
        Payload = payload;
        Opcode = (byte)(text ? 1 : 2);

        byte[] frame = MaskedFrame.Of((byte)(0x80 | Opcode), Payload);
        _frameSize = frame.Length;
        MaxBatch = Math.Clamp(BatchSize / _frameSize, 1, atOnce);
        _frames = new byte[MaxBatch * _frameSize];
        for (int i = 0; i < MaxBatch; i++)
            frame.CopyTo(_frames, i * _frameSize);
    }

    public byte[] Payload { get; }

    public byte Opcode { get; }

    /// <summary>How many frames <see cref="Frames"/> can give.</summary>
    public int MaxBatch { get; }

    public ReadOnlyMemory<byte> Frames(int count) => _frames.AsMemory(0, count * _frameSize);

    private static byte[] Letters(int size)
    {
        byte[] letters = new byte[size];
        for (int i = 0; i < size; i++)
            letters[i] = (byte)('A' + (i * 7 + i / 64) % 26);
        return letters;
    }
}
