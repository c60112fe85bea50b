namespace WebSocketServerKit.Protocol;

/// <summary>The rule that a client broke. <see cref="ProtocolViolations"/> has the close code and reason for each.</summary>
internal enum ProtocolViolation : byte
{
    None,
    ReservedBitSet,
    UnknownOpcode,
    NotMasked,
    ControlFrameFragmented,
    ControlFrameTooLong,
    LengthNotMinimal,
    LengthTooLarge,
    NothingToContinue,
    MessageInterrupted,
    TooManyFragments,
    MessageTooBig,
    InvalidUtf8,
    InvalidCompressedData,
    CloseFrameTooShort,
    InvalidCloseCode,
    InvalidCloseReason,
}
