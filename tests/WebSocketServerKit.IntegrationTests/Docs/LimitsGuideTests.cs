using System.Globalization;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Docs;

/// <summary>docs/limits.md names limits that exist, their defaults, and a configuration that is valid.</summary>
public sealed class LimitsGuideTests
{
    [Fact]
    public void Each_block_of_code_is_code_of_these_tests() =>
        GuideCode.AssertIsIn("docs/limits.md", 1, "tests/WebSocketServerKit.IntegrationTests/Docs/LimitsGuideTests.cs");

    // The rows of the first table: | `MaxMessageSize` | 1 MiB | …
    [Fact]
    public void Each_limit_has_the_default_that_the_table_tells()
    {
        string[][] rows =
        [
            .. Repository.Read("docs/limits.md").Split("\n## ").Single(section => section.StartsWith("All limits", StringComparison.Ordinal)).Split('\n')
                .Where(line => line.StartsWith("| `", StringComparison.Ordinal)).Select(line => line.Split('|')),
        ];
        Assert.Equal(26, rows.Length);
        Assert.All(rows, row => Assert.Equal(row[2].Trim(), Default(row[1].Trim(' ', '`'))));
    }

    [Fact]
    public void The_marks_tell_which_limits_a_path_or_a_client_may_have()
    {
        foreach (string line in Repository.Read("docs/limits.md").Split('\n').Where(line => line.EndsWith("| ○ |", StringComparison.Ordinal) || line.EndsWith("| ● |", StringComparison.Ordinal)))
        {
            string option = line.Split('`')[1];
            Assert.NotNull(typeof(PathOptions).GetProperty(option));
            Assert.Equal(line.Contains('○', StringComparison.Ordinal), typeof(ClientOptions).GetProperty(option) is not null);
        }
    }

    [Fact]
    public void The_configuration_for_ten_thousand_clients_is_valid()
    {
        WebSocketServerOptions options = new()
        {
            Urls = ["http://*:8080"],
            MaxMessageSize = 64 * 1024,
            SendQueueLimit = 64 * 1024,
            SlowClients = SlowClientPolicy.DropOldest,
            MaxClients = 15_000,
            MaxClientsPerRemoteAddress = 200,
            MaxClientsPerUser = 10,
            MaxMessagesPerSecond = 50,
        };
        options.Validate();
    }

    private static string Default(string option)
    {
        object place = option.Split('.') switch
        {
            ["PerMessageDeflate", _] => new PerMessageDeflateOptions(),
            ["ListenOptions", _] => new ListenOptions(),
            _ => new WebSocketServerOptions(),
        };
        string name = option.Split('.')[^1];
        object? value = place.GetType().GetProperty(name)!.GetValue(place);
        return value switch
        {
            null => name switch
            {
                nameof(WebSocketServerOptions.MaxConcurrentHandshakesPerRemoteAddress) => "half of them",
                nameof(WebSocketServerOptions.MaxBufferedBytes) => "a quarter of the memory",
                _ => "no limit",
            },
            TimeSpan time => time < TimeSpan.FromMinutes(1) ? $"{time.TotalSeconds} s" : $"{time.TotalMinutes} min",
            _ => Amount(name, Convert.ToInt64(value, CultureInfo.InvariantCulture)),
        };
    }

    private static string Amount(string name, long value) => name.EndsWith("Size", StringComparison.Ordinal) || name.EndsWith("Limit", StringComparison.Ordinal)
        ? value switch
        {
            >= 1 << 30 => $"{value >> 30} GiB",
            >= 1 << 20 => $"{value >> 20} MiB",
            _ => $"{value >> 10} KiB",
        }
        : value.ToString("N0", CultureInfo.InvariantCulture);
}
