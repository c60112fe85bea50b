using System.Globalization;
using System.Text;
using WebSocketServerKit.Protocol.Handshake;

namespace WebSocketServerKit.Protocol.Compression;

/// <summary>The four parameters of permessage-deflate (RFC 7692 7.1): what a server asks for, or what both sides agreed on.</summary>
/// <param name="ServerNoContextTakeover">Each message from the server is compressed without reference to earlier ones.</param>
/// <param name="ClientNoContextTakeover">So is each message from the client.</param>
/// <param name="ServerMaxWindowBits">8 to 15: the server refers back by at most 2 to the power of this, in bytes.</param>
/// <param name="ClientMaxWindowBits">The same for the client.</param>
internal readonly record struct PerMessageDeflateParameters(
    bool ServerNoContextTakeover, bool ClientNoContextTakeover, int ServerMaxWindowBits = PerMessageDeflateParameters.MaxWindowBits,
    int ClientMaxWindowBits = PerMessageDeflateParameters.MaxWindowBits)
{
    public const int MinWindowBits = 8;
    public const int MaxWindowBits = 15;

    private const string ExtensionName = "permessage-deflate";
    private const string ServerNoContextTakeoverName = "server_no_context_takeover";
    private const string ClientNoContextTakeoverName = "client_no_context_takeover";
    private const string ServerMaxWindowBitsName = "server_max_window_bits";
    private const string ClientMaxWindowBitsName = "client_max_window_bits";

    /// <summary>Whether either side may refer to earlier messages.</summary>
    public bool HasContextTakeover => !ServerNoContextTakeover || !ClientNoContextTakeover;

    public PerMessageDeflateParameters WithoutContextTakeover() => this with { ServerNoContextTakeover = true, ClientNoContextTakeover = true };

    /// <summary>
    /// Agrees on the first offer that keeps the rules; any other is declined, and so is the extension when none is left: then the result is null.
    /// </summary>
    /// <param name="offers">The value of <c>Sec-WebSocket-Extensions</c> in the request, well-formed, or null.</param>
    /// <param name="wanted">What the server asks for. Where it and the client differ, the one that needs less memory is agreed on.</param>
    /// <param name="answer">The value of <c>Sec-WebSocket-Extensions</c> in the response.</param>
    public static PerMessageDeflateParameters? Negotiate(string? offers, PerMessageDeflateParameters wanted, out string? answer)
    {
        // 7.1: an offer of several is "in order of preference"; 5: "the server [...] chooses one of the offers".
        foreach (Extension offer in ExtensionList.Parse(offers))
        {
            if (offer.Name == ExtensionName && TryAgree(offer.Parameters, wanted, out PerMessageDeflateParameters agreed, out answer))
                return agreed;
        }

        answer = null;
        return null;
    }

    private static bool TryAgree(
        IReadOnlyList<KeyValuePair<string, string?>> offer, PerMessageDeflateParameters wanted, out PerMessageDeflateParameters agreed, out string? answer)
    {
        bool serverNoContext = false, clientNoContext = false, clientMayLimit = false;
        int? serverBits = null, clientBits = null;
        agreed = default;
        answer = null;
        // 7: "A server MUST decline an extension negotiation offer for this extension if any of the following conditions are met": a parameter
        // that is not defined for an offer, one with an invalid value, one that stands there twice, or one that the server does not support.
        foreach ((string name, string? value) in offer)
        {
            bool isNew = name switch
            {
                ServerNoContextTakeoverName => value is null && !serverNoContext && (serverNoContext = true),
                ClientNoContextTakeoverName => value is null && !clientNoContext && (clientNoContext = true),
                ServerMaxWindowBitsName => serverBits is null && (serverBits = ParseWindowBits(value)) is not null,
                ClientMaxWindowBitsName => !clientMayLimit && (clientMayLimit = true) && (value is null || (clientBits = ParseWindowBits(value)) is not null),
                _ => false,
            };
            if (!isNew)
                return false;
        }

        int serverWindow = Math.Min(serverBits ?? MaxWindowBits, wanted.ServerMaxWindowBits);
        agreed = new PerMessageDeflateParameters(
            // A smaller window cannot slide over messages here: see MessageDeflater. 7.1.1.1: a server may answer so unasked.
            serverNoContext || wanted.ServerNoContextTakeover || serverWindow < MaxWindowBits,
            clientNoContext || wanted.ClientNoContextTakeover,
            serverWindow,
            // 7.1.2.2: without the client's parameter "the server MUST NOT include" it in the response.
            clientMayLimit ? Math.Min(clientBits ?? MaxWindowBits, wanted.ClientMaxWindowBits) : MaxWindowBits);

        var text = new StringBuilder(ExtensionName);
        if (agreed.ServerNoContextTakeover)
            text.Append("; ").Append(ServerNoContextTakeoverName);
        if (agreed.ClientNoContextTakeover)
            text.Append("; ").Append(ClientNoContextTakeoverName);
        // 7.1.2.1: "A server accepts [it] by including the 'server_max_window_bits' extension parameter in the extension negotiation response".
        if (serverBits is not null || serverWindow < MaxWindowBits)
            text.Append(CultureInfo.InvariantCulture, $"; {ServerMaxWindowBitsName}={serverWindow}");
        if (agreed.ClientMaxWindowBits < MaxWindowBits)
            text.Append(CultureInfo.InvariantCulture, $"; {ClientMaxWindowBitsName}={agreed.ClientMaxWindowBits}");
        answer = text.ToString();
        return true;
    }

    // 7.1.2: "a decimal integer value without leading zeroes between 8 to 15, inclusive"
    private static int? ParseWindowBits(string? value) => value switch
    {
        "8" => 8,
        "9" => 9,
        ['1', >= '0' and <= '5' and var unit] => 10 + unit - '0',
        _ => null,
    };
}
