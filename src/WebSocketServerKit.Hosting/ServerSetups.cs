using System.Diagnostics.CodeAnalysis;

namespace WebSocketServerKit;

/// <summary>The servers of a host, by name. Changed only while services are added.</summary>
internal sealed class ServerSetups
{
    private readonly Dictionary<string, ServerSetup> _setups = new(StringComparer.Ordinal);

    public bool TryGet(string name, [NotNullWhen(true)] out ServerSetup? setup) => _setups.TryGetValue(name, out setup);

    public ServerSetup Add(string name) => _setups[name] = new ServerSetup(name);

    /// <exception cref="InvalidOperationException">There are several servers.</exception>
    public string OnlyName() => _setups.Count == 1
        ? _setups.Keys.Single()
        : throw new InvalidOperationException(
            $"There are {_setups.Count} WebSocket servers ({string.Join(", ", _setups.Keys)}). Say which: [FromKeyedServices(\"{_setups.Keys.First()}\")] in a constructor, or GetRequiredKeyedService.");
}
