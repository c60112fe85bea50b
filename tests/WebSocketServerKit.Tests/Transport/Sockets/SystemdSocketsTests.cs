namespace WebSocketServerKit.Transport.Sockets;

public sealed class SystemdSocketsTests
{
    private static int Announced(string? process, string? count) =>
        SystemdSockets.Announced(name => name switch { "LISTEN_PID" => process, "LISTEN_FDS" => count, _ => null }, 42);

    [Fact]
    public void Sockets_are_taken_only_if_they_are_meant_for_this_process()
    {
        Assert.Equal(2, Announced("42", "2"));
        Assert.Equal(0, Announced("41", "2"));
        Assert.Equal(0, Announced(null, "2"));
        Assert.Equal(0, Announced("42", null));
        Assert.Equal(0, Announced("42", "-1"));
        Assert.Equal(0, Announced("me", "2"));
    }

    [Fact]
    public void Without_sockets_nothing_is_taken() => Assert.Empty(SystemdSockets.Take());
}
