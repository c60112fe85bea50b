using WebSocketServerKit.Connections;
using WebSocketServerKit.Options;

namespace WebSocketServerKit;

/// <summary>
/// The options of one path: <c>server.Path("/chat/{room}", new PathOptions { MaxMessageSize = 4096 })</c>. Null means the value of the <see cref="WebSocketServerOptions"/>. The server copies the
/// values when the path is added; later changes have no effect. Not thread-safe.
/// </summary>
public sealed class PathOptions : ClientOptions
{
    /// <summary>Options that leave everything as the server has it.</summary>
    public PathOptions()
    {
    }

    private PathOptions(PathOptions other)
        : base(other)
    {
        Subprotocols = other.Subprotocols is { } subprotocols ? [.. subprotocols] : null;
        PerMessageDeflate = other.PerMessageDeflate?.Copy();
        AllowedOrigins = other.AllowedOrigins is { } origins ? [.. origins] : null;
        MaxClients = other.MaxClients;
    }

    /// <summary>The subprotocols of the path. Default: null, <see cref="WebSocketServerOptions.Subprotocols"/>. An empty list means none.</summary>
    public IList<string>? Subprotocols { get; set; }

    /// <summary>
    /// Message compression for clients of the path that offer it, with limits of its own on compressors. Default: null, <see cref="WebSocketServerOptions.PerMessageDeflate"/> and the limits
    /// that it shares. To turn compression off, set <see cref="ClientOptions.AllowsCompression"/> to false.
    /// </summary>
    public PerMessageDeflateOptions? PerMessageDeflate { get; set; }

    /// <summary>
    /// The origins of foreign pages that may connect to the path, in place of <see cref="WebSocketServerOptions.AllowedOrigins"/>, by the same rules. Default: null, those of the server. An empty
    /// list means none: only pages of the server's own host and port. <c>*</c> lets any page that a user visits use this path with that user's cookies.
    /// </summary>
    public IList<string>? AllowedOrigins { get; set; }

    /// <summary>
    /// The maximum number of clients of the path at the same time. Further ones are answered with 503. Default: null, no limit beside <see cref="WebSocketServerOptions.MaxClients"/>. A place is
    /// free again as soon as its client is out of <see cref="WebSocketServer.Clients"/>.
    /// </summary>
    public int? MaxClients { get; set; }

    internal PathOptions Copy() => new(this);

    /// <exception cref="ArgumentException">An option has an invalid value; the message names it and what is valid.</exception>
    internal void Validate()
    {
        ValidateClient(nameof(PathOptions));
        if (Subprotocols is { } subprotocols)
            OptionCheck.Subprotocols($"{nameof(PathOptions)}.{nameof(Subprotocols)}", subprotocols);
        PerMessageDeflate?.Validate();
        if (AllowedOrigins is { } origins)
            OptionCheck.Origins($"{nameof(PathOptions)}.{nameof(AllowedOrigins)}", origins);
        if (MaxClients is { } clients)
            OptionCheck.Range($"{nameof(PathOptions)}.{nameof(MaxClients)}", clients, 1, int.MaxValue);
    }

    /// <summary>The settings of the server with what only a path can set: a handler of <see cref="WebSocketServer.Handshaking"/> starts from these.</summary>
    internal ConnectionSettings ToBase(ConnectionSettings settings) =>
        PerMessageDeflate is null ? settings : settings with { Compression = PerMessageDeflate.ToCompressionSettings() };
}
