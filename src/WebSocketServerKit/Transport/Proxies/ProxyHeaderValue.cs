namespace WebSocketServerKit;

/// <summary>One further value of a <see cref="ProxyHeader"/> of version 2: a type-length-value vector (TLV) of the PROXY protocol.</summary>
/// <remarks>Two values are equal if they have the same type and the same memory; bytes are not compared.</remarks>
/// <param name="Type">
/// The type. The PROXY protocol registers among others 0x01 (ALPN), 0x02 (authority), 0x05 (unique ID), 0x20 (TLS) and 0x30 (network namespace);
/// 0xE0 to 0xEF are for applications.
/// </param>
/// <param name="Value">The bytes of the value, of which there may be none. They never change and may be kept as long as wanted.</param>
public readonly record struct ProxyHeaderValue(byte Type, ReadOnlyMemory<byte> Value);
