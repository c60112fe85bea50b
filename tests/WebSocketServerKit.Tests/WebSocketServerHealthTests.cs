namespace WebSocketServerKit;

public sealed class WebSocketServerHealthTests
{
    private static WebSocketServerHealth Health(bool isStarted = true, bool isDraining = false, int clients = 0, bool isMemoryShort = false, double lag = 0) =>
        new(isStarted, isListening: isStarted, isDraining, clients, maxClients: 3, bufferedBytes: 900, maxBufferedBytes: 1000, isMemoryShort, TimeSpan.FromSeconds(lag));

    [Fact]
    public void A_server_with_room_for_clients_is_healthy_and_needs_no_reason()
    {
        WebSocketServerHealth health = Health(clients: 2);
        Assert.Equal((WebSocketServerHealthStatus.Healthy, "", true, "healthy"), (health.Status, health.Reason, health.IsAccepting, health.ToString()));
        Assert.Equal((2, 3, 900L, 1000L), (health.Clients, health.MaxClients, health.BufferedBytes, health.MaxBufferedBytes));
    }

    [Fact]
    public void A_full_server_is_degraded_and_accepts_nobody()
    {
        WebSocketServerHealth health = Health(clients: 3);
        Assert.Equal((WebSocketServerHealthStatus.Degraded, false), (health.Status, health.IsAccepting));
        Assert.Equal("degraded: 3 clients are connected, as many as MaxClients allows; further ones get 503", health.ToString());
    }

    [Fact]
    public void A_server_that_is_short_of_memory_is_degraded_and_still_accepts()
    {
        WebSocketServerHealth health = Health(isMemoryShort: true);
        Assert.Equal((WebSocketServerHealthStatus.Degraded, true), (health.Status, health.IsAccepting));
        Assert.StartsWith("memory is short: the clients hold 900 bytes, and MaxBufferedBytes is 1000", health.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void A_server_whose_timer_is_two_seconds_late_is_degraded_and_still_accepts()
    {
        Assert.Equal(WebSocketServerHealthStatus.Healthy, Health(lag: 1.9).Status);
        WebSocketServerHealth health = Health(lag: 2.04);
        Assert.Equal((WebSocketServerHealthStatus.Degraded, true, 2.04), (health.Status, health.IsAccepting, health.Lag.TotalSeconds));
        Assert.StartsWith("the server's timer is 2.0 s late: handlers block", health.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void A_server_that_stops_is_unhealthy_whatever_else_is_wrong()
    {
        WebSocketServerHealth health = Health(isDraining: true, clients: 3, isMemoryShort: true);
        Assert.Equal((WebSocketServerHealthStatus.Unhealthy, "unhealthy: the server is stopping", false, true), (health.Status, health.ToString(), health.IsAccepting, health.IsDraining));
    }

    [Fact]
    public void A_server_that_is_not_started_is_unhealthy()
    {
        WebSocketServerHealth health = Health(isStarted: false);
        Assert.Equal((WebSocketServerHealthStatus.Unhealthy, "the server is not started", false), (health.Status, health.Reason, health.IsAccepting));
    }
}
