using Microsoft.Extensions.Logging.Testing;
using WebSocketServerKit.Diagnostics;

namespace WebSocketServerKit.Serving;

public sealed class ClientLimitsTests
{
    private readonly FakeLogger _logger = new();

    private ClientLimits Of(long? openFiles, Action<WebSocketServerOptions>? set = null)
    {
        var options = new WebSocketServerOptions();
        set?.Invoke(options);
        return ClientLimits.Of(options, openFiles, new ServerLog(_logger));
    }

    [Theory]
    [InlineData(null)]
    [InlineData(1_048_576L)]
    [InlineData(104_296L)] // 100,000 clients, 4,096 that are turned away, 200 for the process
    [InlineData(long.MaxValue)]
    public void The_default_stays_where_it_fits_and_nothing_is_said(long? openFiles)
    {
        Assert.Equal(new ClientLimits(100_000, 4_096), Of(openFiles));
        Assert.Empty(_logger.Collector.GetSnapshot());
    }

    [Theory]
    [InlineData(104_295, 99_999, 4_096)]
    [InlineData(20_000, 17_325, 2_475)]
    [InlineData(4_096, 3_409, 487)]
    [InlineData(1_024, 721, 103)]
    [InlineData(256, 56, 16)]
    [InlineData(1, 1, 16)]
    public void The_default_is_lowered_to_what_the_open_files_leave_room_for(long openFiles, int maxClients, int maxTurnedAway)
    {
        Assert.Equal(new ClientLimits(maxClients, maxTurnedAway), Of(openFiles));
        FakeLogRecord line = Assert.Single(_logger.Collector.GetSnapshot());
        Assert.Equal(23, line.Id.Id);
        Assert.StartsWith($"Up to {maxClients} clients fit, since this process may have {openFiles} files open", line.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_number_that_the_host_set_is_kept_and_the_warning_says_both_numbers_to_set()
    {
        Assert.Equal(new ClientLimits(50_000, 16), Of(20_000, options => options.MaxClients = 50_000));
        FakeLogRecord line = Assert.Single(_logger.Collector.GetSnapshot());
        Assert.Equal(22, line.Id.Id);
        Assert.Equal(
            "options.MaxClients is 50000, but this process may have 20000 files open, sockets included, and when they run out it may fail as a whole. "
            + "Raise the limit to 50200 (ulimit -n 50200; of a systemd service LimitNOFILE=50200), or set options.MaxClients to 19800.",
            line.Message);
    }

    [Fact]
    public void What_the_warning_advises_is_enough()
    {
        Of(50_200, options => options.MaxClients = 50_000);
        Of(20_000, options => options.MaxClients = 19_800);
        Assert.Empty(_logger.Collector.GetSnapshot());
    }

    [Fact]
    public void A_number_that_the_host_set_is_kept_also_where_it_is_the_default() =>
        Assert.Equal(100_000, Of(1_024, options => options.MaxClients = 100_000).MaxClients);

    [Fact]
    public void Those_that_are_turned_away_get_what_is_left_and_no_more_than_the_handshakes()
    {
        Assert.Equal(new ClientLimits(500, 324), Of(1_024, options => options.MaxClients = 500));
        Assert.Equal(new ClientLimits(1, 20), Of(1_024, options => (options.MaxClients, options.MaxConcurrentHandshakes) = (1, 20)));
        Assert.Equal(new ClientLimits(2_000, 5), Of(1_024, options => (options.MaxClients, options.MaxConcurrentHandshakes) = (2_000, 5)));
    }

    [Fact]
    public void The_greatest_number_is_no_trouble()
    {
        Assert.Equal(int.MaxValue, Of(1_024, options => options.MaxClients = int.MaxValue).MaxClients);
        Assert.Contains("LimitNOFILE=2147483847)", _logger.LatestRecord.Message, StringComparison.Ordinal);
    }
}
