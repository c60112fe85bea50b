using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit;

/// <summary>Options from a configuration, and what keeps the host from starting.</summary>
public sealed class ConfigurationTests
{
    private static async Task<string> ProblemAsync(params string[] entries)
    {
        await using TestHost host = TestHost.BuildConfigured(entries);
        return (await Assert.ThrowsAsync<OptionsValidationException>(() => host.Host.StartAsync(TestHost.Timely))).Message;
    }

    [Fact]
    public async Task All_kinds_of_options_bind()
    {
        await using TestHost host = TestHost.BuildConfigured(
            "Urls:0=http://127.0.0.1:0", "Listen:0:Url=http://127.0.0.1:0", "Listen:0:Backlog=7", "PingInterval=00:00:15", "maxclients=7", "SlowClients=DropOldest", "AllowedHosts:0=127.0.0.1",
            "PerMessageDeflate:MinMessageSize=64", "ListenDefaults:Backlog=100", "Paths:/rooms/{room}:MaxClients=2", "Paths:/rooms/{room}:Subprotocols:0=v1", "Stop:Spread=00:00:01");
        await host.Host.StartAsync(TestHost.Timely);
        WebSocketServerOptions options = host.Host.Services.GetRequiredService<IOptionsMonitor<WebSocketServerOptions>>().Get("chat");
        Assert.Equal((TimeSpan.FromSeconds(15), 7, SlowClientPolicy.DropOldest), (options.PingInterval, options.MaxClients, options.SlowClients));
        Assert.Equal((64, 100, "127.0.0.1"), (options.PerMessageDeflate!.MinMessageSize, options.ListenDefaults.Backlog, Assert.Single(options.AllowedHosts)));
        Assert.Equal(2, host.Server.EndPoints.Count);
        Assert.Equal("/rooms/{room}", host.Server.Path("/rooms/{room}").Template);
        Assert.Contains("was added before", Assert.Throws<ArgumentException>(() => host.Server.Path("/rooms/{room}", new PathOptions())).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Certificates_bind_by_their_files()
    {
        string problem = "";
        await using TestHost host = TestHost.BuildConfigured("Listen:0:Url=https://127.0.0.1:0", "Listen:0:Tls:CertificateFile=/no/such/file.pem", "Listen:0:Tls:KeyFile=/no/such/key.pem");
        problem = (await Assert.ThrowsAsync<IOException>(() => host.Host.StartAsync(TestHost.Timely))).Message;
        Assert.Contains("/no/such/file.pem", problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("MaxClient=7", "Ws:chat:MaxClient: unknown; did you mean MaxClients?")]
    [InlineData("Url:0=http://127.0.0.1:0", "Ws:chat:Url: unknown; did you mean Urls?")]
    [InlineData("ListenDefaults:Tls:CertifcateFile=x", "Ws:chat:ListenDefaults:Tls:CertifcateFile: unknown; did you mean CertificateFile?")]
    [InlineData("ListenDefaults:Tls:ServerNames:chat.example.org:Pasword=x", "Ws:chat:ListenDefaults:Tls:ServerNames:chat.example.org:Pasword: unknown; did you mean Password?")]
    [InlineData("Listen:0:Ur=x", "Ws:chat:Listen:0:Ur: unknown; did you mean Url?; Ws:chat:Listen:0 has no Url. Write where to listen: \"Url\": \"https://*:8443\".")]
    [InlineData("Paths:/a:MaxClents=7", "Ws:chat:Paths:/a:MaxClents: unknown; did you mean MaxClients?")]
    [InlineData("Paths:/a:PerMessageDeflate:Levle=1", "Ws:chat:Paths:/a:PerMessageDeflate:Levle: unknown; did you mean Level?")]
    [InlineData("Stop:Spraed=00:00:01", "Ws:chat:Stop:Spraed: unknown; did you mean Spread?")]
    [InlineData("Stop:Elephant=1", "Ws:chat:Stop:Elephant: unknown; known are Code, ReadinessDelay, Reason, RetryAfter, Spread, Timeout.")]
    [InlineData("EventContext=1", "Ws:chat:EventContext: unknown; ")]
    public async Task A_key_that_is_unknown_keeps_the_host_from_starting_and_names_the_one_that_was_meant(string entry, string problem) =>
        Assert.StartsWith(problem, await ProblemAsync(entry), StringComparison.Ordinal);

    [Theory]
    [InlineData("MaxClients=many", "Ws:chat:MaxClients is \"many\"; it must be a whole number of at most 2147483647.")]
    [InlineData("MaxClients=3000000000", "Ws:chat:MaxClients is \"3000000000\"; it must be a whole number of at most 2147483647.")]
    [InlineData("MaxBufferedBytes=1k", "Ws:chat:MaxBufferedBytes is \"1k\"; it must be a whole number of at most 9223372036854775807.")]
    [InlineData("PingInterval=soon", "Ws:chat:PingInterval is \"soon\"; it must be a time: \"00:00:15\" is 15 seconds, \"-00:00:00.0010000\" is no limit.")]
    [InlineData("SlowClients=Dropp", "Ws:chat:SlowClients is \"Dropp\"; it must be one of Wait, DropNewest, DropOldest, Disconnect.")]
    [InlineData("ListenDefaults:NoDelay=maybe", "Ws:chat:ListenDefaults:NoDelay is \"maybe\"; it must be true or false.")]
    [InlineData("Urls=http://127.0.0.1:0", "Ws:chat:Urls is one value; it must be a list. Write [\"http://127.0.0.1:0\"] in JSON, Urls__0 as an environment variable.")]
    [InlineData("Paths=/a", "Ws:chat:Paths is one value; it must be a group of keys.")]
    [InlineData("PerMessageDeflate=true", "Ws:chat:PerMessageDeflate is the value \"true\"; it must be a group of keys: ClientContextTakeover, ")]
    [InlineData("MaxClients:0=7", "Ws:chat:MaxClients has keys below it; it must be one value.")]
    [InlineData("Urls:0:x=7", "Ws:chat:Urls:0 has keys below it; it must be one value.")]
    public async Task A_value_of_another_kind_keeps_the_host_from_starting_and_says_what_is_allowed(string entry, string problem) =>
        Assert.StartsWith(problem, await ProblemAsync(entry), StringComparison.Ordinal);

    [Theory]
    [InlineData("MaxClients=0", "Ws:chat:MaxClients is 0; it must be from 1 to 2147483647.")]
    [InlineData("PingInterval=15", "Ws:chat:PingInterval is 15.00:00:00; it must be longer than zero and at most 12:00:00, or Timeout.InfiniteTimeSpan. In a configuration \"15\" means 15 days: write \"00:00:15\" for 15 seconds.")]
    [InlineData("ListenDefaults:Backlog=0", "Ws:chat:ListenDefaults:Backlog is 0; it must be from 1 to 2147483647.")]
    [InlineData("PerMessageDeflate:ServerMaxWindowBits=99", "Ws:chat:PerMessageDeflate:ServerMaxWindowBits is 99; it must be from 8 to 15.")]
    [InlineData("Urls:0=localhost", "Ws:chat:Urls: \"localhost\"")]
    [InlineData("Urls:0=https://*:0", "Ws:chat: \"https://*:0\" needs a certificate")]
    [InlineData("Listen:0:Url=nowhere", "Ws:chat:Listen:0: \"nowhere\"")]
    [InlineData("Paths:/a:MaxClients=0", "Ws:chat:Paths:/a:MaxClients is 0; it must be from 1 to 2147483647.")]
    [InlineData("Paths:/a:PerMessageDeflate:MaxContexts=-1", "Ws:chat:Paths:/a:PerMessageDeflate:MaxContexts is -1; ")]
    [InlineData("Paths:a:MaxClients=1", "Ws:chat:Paths:a: ")]
    [InlineData("Stop:Code=1005", "Ws:chat:Stop: This close code must not be sent.")]
    [InlineData("Stop:Spread=13:00:00", "Ws:chat:Stop:Spread is 13:00:00; it must be from 00:00:00 to 12:00:00.")]
    public async Task A_value_out_of_range_keeps_the_host_from_starting_and_names_its_key(string entry, string problem) =>
        Assert.StartsWith(problem, await ProblemAsync(entry), StringComparison.Ordinal);

    [Fact]
    public async Task All_keys_that_are_wrong_are_named_at_once() =>
        Assert.Equal("Ws:chat:MaxClient: unknown; did you mean MaxClients?; Ws:chat:PingInterval is \"x\"; it must be a time: \"00:00:15\" is 15 seconds, \"-00:00:00.0010000\" is no limit.", await ProblemAsync("MaxClient=7", "PingInterval=x"));

    [Fact]
    public async Task A_section_that_is_missing_keeps_the_host_from_starting_unless_code_says_where_to_listen()
    {
        await using TestHost host = TestHost.Build(builder => builder.Services.AddWebSocketServer("chat", builder.Configuration.GetSection("Ws:chta")), "Ws:chat:Urls:0=http://127.0.0.1:0");
        string problem = (await Assert.ThrowsAsync<InvalidOperationException>(() => host.Host.StartAsync(TestHost.Timely))).Message;
        Assert.StartsWith("The WebSocket server \"chat\" would listen nowhere: the configuration has no section \"Ws:chta\".", problem, StringComparison.Ordinal);
        Assert.False(host.Server.IsReady);
        await using TestHost other = TestHost.Build(builder => builder.Services.AddWebSocketServer("chat", builder.Configuration.GetSection("Ws")).Configure(options => options.Listen("http://127.0.0.1:0")));
        await other.Host.StartAsync(TestHost.Timely);
        Assert.True(other.Server.IsListening);
    }

    [Theory]
    [InlineData("PerMessageDeflate", "{}")]
    [InlineData("PerMessageDeflate", "null")]
    [InlineData("ListenDefaults:Tls", "{}")]
    public void An_empty_group_that_would_turn_nothing_on_is_a_problem(string key, string json)
    {
        string text = key.Split(':').Reverse().Aggregate(json, (inner, name) => $$"""{ "{{name}}": {{inner}} }""");
        using MemoryStream stream = new(System.Text.Encoding.UTF8.GetBytes($$"""{ "Ws": {{text}} }"""));
        IConfigurationSection section = new ConfigurationBuilder().AddJsonStream(stream).Build().GetSection("Ws");
        Assert.StartsWith($"Ws:{key} is empty, which a configuration cannot tell from null, so it would stay off.", Assert.Single(ConfigurationCheck.Find(section, allowsUnknownKeys: true)), StringComparison.Ordinal);
    }

    [Fact]
    public void A_path_and_defaults_may_be_empty()
    {
        using MemoryStream stream = new("""{ "Ws": { "Paths": { "/a": {} }, "ListenDefaults": {}, "Stop": {}, "Urls": [], "Paths2": null } }"""u8.ToArray());
        IConfigurationSection section = new ConfigurationBuilder().AddJsonStream(stream).Build().GetSection("Ws");
        Assert.Equal("Ws:Paths2: unknown; did you mean Paths?", Assert.Single(ConfigurationCheck.Find(section, allowsUnknownKeys: false)));
        using WebSocketServer server = new(new WebSocketServerOptions());
        new ServerSetup("chat") { Section = section }.AddPaths(server);
        Assert.Contains("was added before", Assert.Throws<ArgumentException>(() => server.Path("/a", new PathOptions())).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Unknown_keys_are_passed_over_when_that_is_asked_for_and_wrong_values_are_not()
    {
        await using TestHost host = TestHost.Build(
            builder => builder.Services.AddWebSocketServer(builder.Configuration.GetSection("Ws")).AllowUnknownKeys(), "Ws:Urls:0=http://127.0.0.1:0", "Ws:Comment=x", "Ws:Listen:0:Url=http://127.0.0.1:0", "Ws:Listen:0:Why=x");
        await host.Host.StartAsync(TestHost.Timely);
        Assert.True(host.Server.IsListening);
        await using TestHost wrong = TestHost.Build(builder => builder.Services.AddWebSocketServer(builder.Configuration.GetSection("Ws")).AllowUnknownKeys(), "Ws:MaxClients=x");
        await Assert.ThrowsAsync<OptionsValidationException>(() => wrong.Host.StartAsync(TestHost.Timely));
    }

    [Fact]
    public async Task Options_of_a_path_in_code_come_after_those_of_the_configuration()
    {
        await using TestHost host = TestHost.Build(
            builder => builder.Services.AddWebSocketServer(builder.Configuration.GetSection("Ws")).Path("/a", options => options.MaxClients -= 5).Server.Path("/a"), "Ws:Paths:/a:MaxClients=5");
        string problem = (await Assert.ThrowsAsync<OptionsValidationException>(() => host.Host.StartAsync(TestHost.Timely))).Message;
        Assert.Equal("Ws:Paths:/a:MaxClients is 0; it must be from 1 to 2147483647.", problem);
    }

    [Fact]
    public void Every_class_of_options_is_checked_for_unknown_keys()
    {
        Type[] classes = [typeof(WebSocketServerOptions), typeof(ListenOptions), typeof(TlsOptions), typeof(PerMessageDeflateOptions), typeof(PathOptions)];
        foreach (Type type in classes)
        {
            IReadOnlyDictionary<string, Type> keys = ConfigurationCheck.KeysIn(type);
            Assert.All(type.GetProperties().Where(property => property.Name != nameof(WebSocketServerOptions.EventContext)), property => Assert.Contains(property.Name, keys));
            // A class of options that is not known here would be bound without a check.
            Assert.All(
                keys.Values.Select(key => Nullable.GetUnderlyingType(key) ?? (key.IsGenericType ? key.GetGenericArguments()[^1] : key)).Where(key => key.Namespace == nameof(WebSocketServerKit) && key.IsClass),
                key => Assert.NotNull(ConfigurationCheck.KeysIn(key)));
        }

        Assert.Equal(typeof(StopOptions).GetProperties().Select(property => property.Name).ToHashSet(StringComparer.Ordinal), ConfigurationCheck.KeysIn(typeof(StopSection)).Keys.ToHashSet(StringComparer.Ordinal));
    }
}
