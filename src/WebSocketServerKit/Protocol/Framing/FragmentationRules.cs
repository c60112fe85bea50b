namespace WebSocketServerKit.Protocol.Framing;

/// <summary>Which data frame may follow which (RFC 6455 5.4), and how many fragments a message may have.</summary>
internal struct FragmentationRules(int maxFragments)
{
    private readonly int _maxFragments = maxFragments;
    private Opcode _opcode; // of the message that is under way; Continuation while there is none
    private int _fragments;

    /// <summary>Whether a message has begun and its last fragment has not come yet.</summary>
    public readonly bool InMessage => _opcode != Opcode.Continuation;

    /// <summary>Takes note of a data frame's header and gives back the opcode of the message that it belongs to.</summary>
    public ProtocolViolation Check(in FrameHeader header, out Opcode messageOpcode)
    {
        messageOpcode = _opcode;
        if (header.Opcode == Opcode.Continuation)
        {
            // 5.4: a continuation frame carries on a message that a frame "with the FIN bit clear and an opcode other than 0" began.
            if (!InMessage)
                return ProtocolViolation.NothingToContinue;
        }
        else
        {
            // 5.4: "The fragments of one message MUST NOT be interleaved between the fragments of another message".
            if (InMessage)
                return ProtocolViolation.MessageInterrupted;
            messageOpcode = header.Opcode;
            _fragments = 0;
        }

        if (++_fragments > _maxFragments)
            return ProtocolViolation.TooManyFragments;
        _opcode = header.Fin ? Opcode.Continuation : messageOpcode;
        return ProtocolViolation.None;
    }
}
