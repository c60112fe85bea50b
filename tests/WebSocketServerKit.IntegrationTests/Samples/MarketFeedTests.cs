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
    public async Task The_slow_client_gets_newer_prices_only_however_slowly_it_reads_and_catches_up()
    {
        await using SampleProcess market = await SampleProcess.StartAsync("MarketFeed", "--url", "http://127.0.0.1:0", "--symbols", "10");
        await using JsonClient page = await JsonClient.ConnectAsync(market.Told("Market feed: ") + "/slow-client");
        await using JsonClient fast = await JsonClient.ConnectAsync(market.Told("Market feed: ") + "/prices");
        Dictionary<string, long> newest = new(StringComparer.Ordinal);
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
                foreach (JsonElement price in (await page.NextAsync()).EnumerateArray())
                {
                    string symbol = price.GetProperty("symbol").GetString()!;
                    Assert.True(price.GetProperty("number").GetInt64() >= newest.GetValueOrDefault(symbol), "A slow client gets nothing older than it has.");
                    newest[symbol] = price.GetProperty("number").GetInt64();
                }
            }
        }
    }
}
