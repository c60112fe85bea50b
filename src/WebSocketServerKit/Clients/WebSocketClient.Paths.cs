using WebSocketServerKit.Serving.Paths;

namespace WebSocketServerKit;

// The path whose template the client's request has matched.
public sealed partial class WebSocketClient
{
    private readonly PathMatch? _match;
    private int _placeByMatchedPath;

    /// <summary>The path that the client is served by: see <see cref="WebSocketServer.Path"/>. Null if the server had no paths when the client connected.</summary>
    public WebSocketPath? MatchedPath => _match?.Path;

    /// <summary>The values of the parameters in the template of <see cref="MatchedPath"/>: <c>client.PathValues["room"]</c>. Empty if there are none.</summary>
    public PathValues PathValues => _match?.Values ?? PathValues.None;

    /// <summary>Kept for the <see cref="ClientRegistry"/>, under its lock.</summary>
    internal ref int PlaceByMatchedPath => ref _placeByMatchedPath;
}
