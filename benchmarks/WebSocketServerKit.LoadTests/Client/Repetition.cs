namespace WebSocketServerKit.LoadTests.Client;

/// <summary>Sends one message again and again, and holds every byte that comes back against it.</summary>
internal sealed class Repetition(Message message) : Dialogue
{
    private int _position; // in the message

    public override int MaxBatch => message.MaxBatch;

    public override ReadOnlyMemory<byte> Frames(int count) => message.Frames(count);

    protected override bool Expects(int firstOctet, bool isFirst) => firstOctet == (isFirst ? message.Opcode : 0);

    protected override void Take(ReadOnlySpan<byte> payload)
    {
        if (payload.Length > message.Payload.Length - _position || !payload.SequenceEqual(message.Payload.AsSpan(_position, payload.Length)))
            throw new InvalidDataException("The server sent other bytes than those that were sent to it.");
        _position += payload.Length;
    }

    protected override int End()
    {
        if (_position != message.Payload.Length)
            throw new InvalidDataException("The server sent only a part of the message.");
        _position = 0;
        return 1;
    }
}
