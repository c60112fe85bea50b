namespace WebSocketServerKit.LoadTests.Client;

/// <summary>Messages that come round one after the other, as masked frames.</summary>
internal sealed class JsonFrames
{
    private readonly byte[][] _messages;
    private readonly int[] _offsets; // of each frame, and of the end
    private readonly byte[] _frames; // all of them twice, so that any number of them in a row lies in one piece

    /// <param name="messages">What the frames stand for.</param>
    /// <param name="toFrame">Makes a message one.</param>
    /// <param name="maxBatch">How many are asked for at once at most; no more than there are messages.</param>
    public JsonFrames(byte[][] messages, Func<byte[], byte[]> toFrame, int maxBatch)
    {
        _messages = messages;
        MaxBatch = maxBatch;
        byte[][] frames = [.. messages.Select(toFrame)];
        _frames = [.. frames.Concat(frames).SelectMany(frame => frame)];
        _offsets = new int[frames.Length * 2 + 1];
        for (int i = 1; i < _offsets.Length; i++)
            _offsets[i] = _offsets[i - 1] + frames[(i - 1) % frames.Length].Length;
    }

    public int Count => _messages.Length;

    public int MaxBatch { get; }

    public ReadOnlySpan<byte> MessageAt(int index) => _messages[index];

    public ReadOnlyMemory<byte> Get(int first, int count) => _frames.AsMemory(_offsets[first].._offsets[first + count]);
}
