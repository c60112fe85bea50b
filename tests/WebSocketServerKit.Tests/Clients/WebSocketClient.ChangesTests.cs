using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Clients;

public sealed class WebSocketClientChangesTests : IDisposable
{
    private readonly ClientBench _bench = new();

    public void Dispose() => _bench.Dispose();

    [Fact]
    public void A_change_is_raised_for_all_properties_and_to_nobody_when_nobody_listens()
    {
        WebSocketClient client = _bench.Client();
        client.RaisePropertyChanged();
        string? name = null;
        client.PropertyChanged += (sender, e) =>
        {
            Assert.Same(client, sender);
            name = e.PropertyName;
        };
        client.RaisePropertyChanged();
        Assert.Equal("", name);
    }
}
