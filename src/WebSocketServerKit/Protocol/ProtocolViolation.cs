namespace WebSocketServerKit.Protocol;

/// <summary>The rule that a client broke. What each one means for the connection stands in <see cref="ProtocolViolations"/>.</summary>
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
