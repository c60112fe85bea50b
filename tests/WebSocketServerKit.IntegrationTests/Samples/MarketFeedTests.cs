using System.Text.Json;

namespace WebSocketServerKit.Samples;

/// <summary><c>samples/MarketFeed</c>.</summary>
public class MarketFeedTests
{
    [Fact]
    public async Task A_client_gets_the_price_of_every_symbol_when_it_comes()
    {
        await using SampleProcess market = await SampleProcess.StartAsync("MarketFeed", "--url", "http://127.0.0.1:0", "--symbols", "10", "--updates", "0");
        await using JsonClient client = await JsonClient.ConnectAsync(market.Told("Market feed: ") + "/prices");
        HashSet<string> symbols = new(StringComparer.Ordinal);
        for (int i = 0; i < 10; i++)
            Assert.True(symbols.Add((await client.NextAsync()).GetProperty("symbol").GetString()!));
    }

    [Fact]
    public async Task How_fast_the_slow_client_reads_is_told_to_all_pages_also_to_one_that_comes_later()
    {
        await using SampleProcess market = await SampleProcess.StartAsync("MarketFeed", "--url", "http://127.0.0.1:0", "--updates", "0");
        string url = market.Told("Market feed: ") + "/slow-client";
        await using JsonClient first = await JsonClient.ConnectAsync(url), second = await JsonClient.ConnectAsync(url);
        Assert.Equal((2000, 2000), (await SpeedAsync(first), await SpeedAsync(second)));
        await first.SendAsync("""{"bytesPerSecond":0}""");
        Assert.Equal((0, 0), (await SpeedAsync(first), await SpeedAsync(second)));
        await using JsonClient third = await JsonClient.ConnectAsync(url);
        Assert.Equal(0, await SpeedAsync(third));

        static async Task<int> SpeedAsync(JsonClient page) => (await page.NextAsync("bytesPerSecond")).GetProperty("bytesPerSecond").GetInt32();
    }

    [Theory]
    [InlineData("--symbols", "0")]
    [InlineData("--symbols", "-1")]
    public async Task A_market_without_symbols_is_refused(params string[] arguments)
    {
        (int exitCode, string error) = await SampleProcess.RunAsync("MarketFeed", ["--url", "http://127.0.0.1:0", .. arguments]);
        Assert.Equal(1, exitCode);
        Assert.StartsWith("symbols", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_slow_client_gets_newer_prices_only_however_slowly_it_reads_and_catches_up()
    {
        await using SampleProcess market = await SampleProcess.StartAsync("MarketFeed", "--url", "http://127.0.0.1:0", "--symbols", "10");
        await using JsonClient page = await JsonClient.ConnectAsync(market.Told("Market feed: ") + "/slow-client");
        await using JsonClient fast = await JsonClient.ConnectAsync(market.Told("Market feed: ") + "/prices");
        Dictionary<string, long> newest = new(StringComparer.Ordinal);
        Assert.Equal(2000, (await page.NextAsync("bytesPerSecond")).GetProperty("bytesPerSecond").GetInt32());
        await ReadReportsAsync(10);
        long then = 0;
        for (int i = 0; i < 20; i++)
            then = Math.Max(then, (await fast.NextAsync()).GetProperty("number").GetInt64());
        await page.SendAsync("""{"bytesPerSecond":1000000}""");
        while (newest.Count < 10 || newest.Values.Min() < then)
            await ReadReportsAsync(1);

        async Task ReadReportsAsync(int count)
        {
            for (int i = 0; i < count; i++)
            {
                JsonElement news = await page.NextAsync();
                if (news.ValueKind == JsonValueKind.Object)
                    continue; // how fast it reads
                foreach (JsonElement price in news.EnumerateArray())
                {
                    string symbol = price.GetProperty("symbol").GetString()!;
                    Assert.True(price.GetProperty("number").GetInt64() >= newest.GetValueOrDefault(symbol), "A slow client gets nothing older than it has.");
                    newest[symbol] = price.GetProperty("number").GetInt64();
                }
            }
        }
    }
}
