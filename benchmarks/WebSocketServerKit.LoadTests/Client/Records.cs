namespace WebSocketServerKit.LoadTests.Client;

/// <summary>Like <see cref="Repetition"/>, for a server that puts one or more of its messages into a message of the WebSocket.</summary>
internal sealed class Records(Message message) : Dialogue
{
    private int _position; // in the message
    private int _ended;

    public override int MaxBatch => message.MaxBatch;

    public override ReadOnlyMemory<byte> Frames(int count) => message.Frames(count);

    protected override bool Expects(int firstOctet, bool isFirst) => firstOctet == (isFirst ? message.Opcode : 0);

    protected override void Take(ReadOnlySpan<byte> payload)
    {
        while (!payload.IsEmpty)
        {
            int count = Math.Min(payload.Length, message.Payload.Length - _position);
            if (!payload[..count].SequenceEqual(message.Payload.AsSpan(_position, count)))
                throw new InvalidDataException("The server sent other bytes than those that were sent to it.");
            payload = payload[count..];
            _position += count;
            if (_position < message.Payload.Length)
                continue;
            _position = 0;
            _ended++;
        }
    }

    protected override int End()
    {
        int ended = _ended;
        _ended = 0;
        return ended;
    }
}
