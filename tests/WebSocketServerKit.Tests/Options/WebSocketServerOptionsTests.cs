using System.IO.Compression;
using System.Net;
using System.Reflection;
using WebSocketServerKit.Connections;
using WebSocketServerKit.Connections.Memory;
using WebSocketServerKit.Connections.Sending;
using WebSocketServerKit.Protocol.Compression;

namespace WebSocketServerKit.Options;

public sealed class WebSocketServerOptionsTests
{
    private static readonly TimeSpan Never = Timeout.InfiniteTimeSpan;

    private static WebSocketServerOptions Options(Action<WebSocketServerOptions>? change = null)
    {
        var options = new WebSocketServerOptions().Listen(new IPEndPoint(IPAddress.Loopback, 0));
        change?.Invoke(options);
        return options;
    }

    private static void AssertRefused(string name, Action<WebSocketServerOptions> change)
    {
        ArgumentException refusal = Assert.ThrowsAny<ArgumentException>(() => Options(change).Validate());
        Assert.Contains($"WebSocketServerOptions.{name}", refusal.Message, StringComparison.Ordinal);
    }

    private static void AssertPossible(Action<WebSocketServerOptions> change) => Options(change).Validate();

    [Fact]
    public void The_defaults_are_possible_and_have_every_limit_on()
    {
        WebSocketServerOptions options = Options();
        options.Validate();
        ConnectionSettings settings = options.ToConnectionSettings(new MemoryBudget(long.MaxValue, System.Buffers.ArrayPool<byte>.Shared));
        Assert.Equal((1024 * 1024, 131_072, 32 * 1024, 100, 1024 * 1024),
            (settings.MaxMessageSize, settings.MaxFragmentsPerMessage, settings.MaxRequestHeadSize, settings.MaxHeaderLines, settings.SendQueueLimit));
        Assert.Equal((10, 20, 20, 5, 5), (
            (int)settings.HandshakeTimeout.TotalSeconds, (int)settings.PingInterval.TotalSeconds, (int)settings.PingTimeout.TotalSeconds,
            (int)settings.CloseTimeout.TotalSeconds, (int)settings.SlowHandlerThreshold.TotalSeconds));
        Assert.Equal((null, null), (settings.MaxMessagesPerSecond, settings.MaxBytesPerSecond));
        Assert.Equal((null, 1L << 30, TimeSpan.FromMinutes(5)), (settings.StreamMessagesFrom, settings.MaxStreamedMessageSize, settings.StreamedMessageTimeout));
        Assert.Equal(1_000, settings.MaxSubscriptionsPerClient);
        Assert.Equal((RateLimitReaction.ReadSlower, TimeSpan.FromMinutes(1), null), (settings.OverRate, settings.ExpiryNotice, options.MaxClientsPerUser));
        Assert.True(settings.CloseOnHandlerException);
        Assert.Null(settings.EventContext);
        Assert.Equal((100_000, 20_000, 4_096), (options.MaxClients, options.MaxClientsPerRemoteAddress, options.MaxConcurrentHandshakes));
        Assert.Equal(TimeSpan.FromSeconds(0.5), options.HeartbeatInterval);
    }

    [Fact]
    public void Every_option_that_a_connection_needs_reaches_it()
    {
        var context = new SynchronizationContext();
        ConnectionSettings settings = Options(options =>
        {
            options.MaxMessageSize = 1;
            options.MaxFragmentsPerMessage = 2;
            options.MaxRequestHeadSize = 300;
            options.MaxHeaderLines = 9;
            options.SendQueueLimit = 2000;
            options.MaxMessagesPerSecond = 6;
            options.MaxBytesPerSecond = 7;
            options.StreamMessagesFrom = 13;
            options.MaxStreamedMessageSize = 14;
            options.StreamedMessageTimeout = TimeSpan.FromSeconds(15);
            options.MaxSubscriptionsPerClient = 13;
            options.OverRate = RateLimitReaction.Close;
            options.ExpiryNotice = TimeSpan.FromSeconds(13);
            options.HandshakeTimeout = TimeSpan.FromSeconds(8);
            options.PingInterval = TimeSpan.FromSeconds(9);
            options.PingTimeout = TimeSpan.FromSeconds(10);
            options.CloseTimeout = TimeSpan.FromSeconds(11);
            options.SlowHandlerThreshold = TimeSpan.FromSeconds(12);
            options.HandlerExceptions = HandlerExceptionPolicy.KeepClient;
            options.SlowClients = SlowClientPolicy.DropOldest;
            options.EventContext = context;
        }).ToConnectionSettings(new MemoryBudget(long.MaxValue, System.Buffers.ArrayPool<byte>.Shared));
        Assert.Equal((1, 2, 300, 9, 2000, (long?)6, (long?)7), (settings.MaxMessageSize, settings.MaxFragmentsPerMessage, settings.MaxRequestHeadSize,
            settings.MaxHeaderLines, settings.SendQueueLimit, settings.MaxMessagesPerSecond, settings.MaxBytesPerSecond));
        Assert.Equal((8, 9, 10, 11, 12), ((int)settings.HandshakeTimeout.TotalSeconds, (int)settings.PingInterval.TotalSeconds,
            (int)settings.PingTimeout.TotalSeconds, (int)settings.CloseTimeout.TotalSeconds, (int)settings.SlowHandlerThreshold.TotalSeconds));
        Assert.Equal((13, 14, TimeSpan.FromSeconds(15)), (settings.StreamMessagesFrom, settings.MaxStreamedMessageSize, settings.StreamedMessageTimeout));
        Assert.Equal((RateLimitReaction.Close, TimeSpan.FromSeconds(13)), (settings.OverRate, settings.ExpiryNotice));
        Assert.False(settings.CloseOnHandlerException);
        Assert.Equal(SlowClientPolicy.DropOldest, settings.SlowClients);
        Assert.Equal(13, settings.MaxSubscriptionsPerClient);
        Assert.Same(context, settings.EventContext);
    }

    [Fact]
    public void A_text_says_where_to_listen_and_there_may_be_none()
    {
        AssertPossible(options => options.Places.Clear());
        AssertRefused("Urls", options => options.Urls.Add(null!));
        AssertRefused("Urls", options => options.Urls.Add("localhost:8080"));
    }

    [Fact]
    public void Subprotocols_are_tokens()
    {
        AssertPossible(options => options.Subprotocols.Add("graphql-transport-ws"));
        AssertRefused("Subprotocols", options => options.Subprotocols.Add("two words"));
        AssertRefused("Subprotocols", options => options.Subprotocols.Add(""));
        AssertRefused("Subprotocols", options => options.Subprotocols.Add(null!));
    }

    [Fact]
    public void Allowed_origins_are_what_the_header_can_say()
    {
        foreach (string possible in (string[])["https://app.example.com", "*", "null", "file://", "192.168.1.10", "ArduinoSocketIOClient"])
            AssertPossible(options => options.AllowedOrigins.Add(possible));
        foreach (string impossible in (string[])["https://app.example.com/chat", "https://*.example.com", "a\nb", null!])
            AssertRefused("AllowedOrigins", options => options.AllowedOrigins.Add(impossible));
    }

    [Fact]
    public void Allowed_hosts_are_hosts()
    {
        foreach (string possible in (string[])["example.com", "example.com:8080", "*.example.com", "[::1]", "*"])
            AssertPossible(options => options.AllowedHosts.Add(possible));
        foreach (string impossible in (string[])["https://example.com", "example.com/chat", "a.*", "::1", "", null!])
            AssertRefused("AllowedHosts", options => options.AllowedHosts.Add(impossible));
    }

    [Fact]
    public void It_is_known_whether_MaxClients_was_set()
    {
        Assert.False(Options().HasMaxClients);
        Assert.True(Options(options => options.MaxClients = 100_000).HasMaxClients);
    }

    public static TheoryData<string, long, long> Numbers => new()
    {
        { nameof(WebSocketServerOptions.MaxMessageSize), 1, Array.MaxLength / 2 },
        { nameof(WebSocketServerOptions.MaxFragmentsPerMessage), 1, int.MaxValue },
        { nameof(WebSocketServerOptions.MaxRequestHeadSize), 256, 1024 * 1024 },
        { nameof(WebSocketServerOptions.MaxHeaderLines), 8, 10_000 },
        { nameof(WebSocketServerOptions.SendQueueLimit), 1024, 1 << 30 },
        { nameof(WebSocketServerOptions.MaxClients), 1, int.MaxValue },
        { nameof(WebSocketServerOptions.MaxClientsPerRemoteAddress), 1, int.MaxValue },
        { nameof(WebSocketServerOptions.MaxConcurrentHandshakes), 1, int.MaxValue },
        { nameof(WebSocketServerOptions.MaxClientsPerUser), 1, int.MaxValue },
        { nameof(WebSocketServerOptions.EventLoops), 1, 1024 },
        { nameof(WebSocketServerOptions.MaxMessagesPerSecond), 1, int.MaxValue },
        { nameof(WebSocketServerOptions.MaxBytesPerSecond), 1, long.MaxValue },
        { nameof(WebSocketServerOptions.StreamMessagesFrom), 0, long.MaxValue },
        { nameof(WebSocketServerOptions.MaxStreamedMessageSize), 1, long.MaxValue },
        { nameof(WebSocketServerOptions.MaxSubscriptionsPerClient), 1, int.MaxValue },
    };

    [Theory]
    [MemberData(nameof(Numbers))]
    public void A_number_is_refused_outside_its_range_and_possible_at_both_ends(string name, long least, long most)
    {
        AssertPossible(options => Set(options, name, least));
        AssertPossible(options => Set(options, name, most));
        AssertRefused(name, options => Set(options, name, least - 1));
        AssertRefused(name, options => Set(options, name, -1L));
        if (most < int.MaxValue)
            AssertRefused(name, options => Set(options, name, most + 1));
    }

    [Theory]
    [InlineData(nameof(WebSocketServerOptions.HandshakeTimeout), false)]
    [InlineData(nameof(WebSocketServerOptions.PingInterval), true)]
    [InlineData(nameof(WebSocketServerOptions.PingTimeout), true)]
    [InlineData(nameof(WebSocketServerOptions.CloseTimeout), false)]
    [InlineData(nameof(WebSocketServerOptions.StopTimeout), false)]
    [InlineData(nameof(WebSocketServerOptions.SlowHandlerThreshold), true)]
    [InlineData(nameof(WebSocketServerOptions.StreamedMessageTimeout), true)]
    public void A_time_is_longer_than_zero_and_infinite_only_where_that_makes_sense(string name, bool mayBeInfinite)
    {
        AssertPossible(options => Set(options, name, TimeSpan.FromTicks(1)));
        AssertPossible(options => Set(options, name, TimeSpan.FromHours(1)));
        AssertRefused(name, options => Set(options, name, TimeSpan.Zero));
        AssertRefused(name, options => Set(options, name, TimeSpan.FromSeconds(-1)));
        AssertRefused(name, options => Set(options, name, TimeSpan.FromHours(13)));
        if (mayBeInfinite)
            AssertPossible(options => Set(options, name, Never));
        else
            AssertRefused(name, options => Set(options, name, Never));
    }

    [Fact]
    public void The_policy_and_the_clock_have_to_exist()
    {
        AssertRefused("SlowClients", options => options.SlowClients = (SlowClientPolicy)7);
        AssertRefused("HandlerExceptions", options => options.HandlerExceptions = (HandlerExceptionPolicy)7);
        Assert.Throws<ArgumentNullException>(() => Options().UseTimeProvider(null!));
    }

    [Fact]
    public void The_heartbeat_is_as_quick_as_the_shortest_time_needs_and_no_quicker_than_10_ms()
    {
        Assert.Equal(TimeSpan.FromSeconds(0.25), Options(options => options.CloseTimeout = TimeSpan.FromSeconds(1)).HeartbeatInterval);
        Assert.Equal(TimeSpan.FromMilliseconds(50), Options(options => options.PingInterval = TimeSpan.FromMilliseconds(200)).HeartbeatInterval);
        Assert.Equal(TimeSpan.FromMilliseconds(10), Options(options => options.PingTimeout = TimeSpan.FromMilliseconds(1)).HeartbeatInterval);
        Assert.Equal(TimeSpan.FromMilliseconds(250), Options(options => options.HandshakeTimeout = TimeSpan.FromSeconds(1)).HeartbeatInterval);
        Assert.Equal(TimeSpan.FromMilliseconds(250), Options(options => options.SlowHandlerThreshold = TimeSpan.FromSeconds(1)).HeartbeatInterval);
        Assert.Equal(TimeSpan.FromSeconds(0.5), Options(options => options.PingInterval = options.PingTimeout = Never).HeartbeatInterval);
    }

    private static void Set(WebSocketServerOptions options, string name, object value)
    {
        System.Reflection.PropertyInfo property = typeof(WebSocketServerOptions).GetProperty(name)!;
        Type type = Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType;
        property.SetValue(options, value is long number && type == typeof(int) ? checked((int)number) : value);
    }

    [Fact]
    public void Compression_is_off_unless_asked_for_and_then_keeps_nothing_between_messages()
    {
        Assert.Null(Options().ToConnectionSettings(new MemoryBudget(long.MaxValue, System.Buffers.ArrayPool<byte>.Shared)).Compression);
        CompressionSettings compression = Options(options => options.PerMessageDeflate = new PerMessageDeflateOptions()).ToConnectionSettings(new MemoryBudget(long.MaxValue, System.Buffers.ArrayPool<byte>.Shared)).Compression!;
        Assert.Equal(new PerMessageDeflateParameters(ServerNoContextTakeover: true, ClientNoContextTakeover: true), compression.Wanted);
        Assert.Equal((CompressionLevel.Fastest, 256), (compression.Level, compression.MinMessageSize));
    }

    [Fact]
    public void Every_option_of_compression_reaches_a_connection()
    {
        CompressionSettings compression = Options(options => options.PerMessageDeflate = new PerMessageDeflateOptions
        {
            ServerContextTakeover = true,
            ClientContextTakeover = true,
            ServerMaxWindowBits = 9,
            ClientMaxWindowBits = 10,
            Level = CompressionLevel.SmallestSize,
            MinMessageSize = 11,
            MaxConcurrentCompressions = 1,
            MaxContexts = 0,
        }).ToConnectionSettings(new MemoryBudget(long.MaxValue, System.Buffers.ArrayPool<byte>.Shared)).Compression!;
        Assert.Equal(new PerMessageDeflateParameters(false, false, 9, 10), compression.Wanted);
        Assert.Equal((CompressionLevel.SmallestSize, 11), (compression.Level, compression.MinMessageSize));
        Assert.True(compression.Limits.TryBeginCompression());
        Assert.False(compression.Limits.TryBeginCompression());
        Assert.False(compression.Limits.TryTakeContext());
    }

    [Theory]
    [InlineData(nameof(PerMessageDeflateOptions.ServerMaxWindowBits), 8, 15)]
    [InlineData(nameof(PerMessageDeflateOptions.ClientMaxWindowBits), 8, 15)]
    [InlineData(nameof(PerMessageDeflateOptions.MinMessageSize), 0, int.MaxValue)]
    [InlineData(nameof(PerMessageDeflateOptions.MaxConcurrentCompressions), 1, int.MaxValue)]
    [InlineData(nameof(PerMessageDeflateOptions.MaxContexts), 0, int.MaxValue)]
    [InlineData(nameof(PerMessageDeflateOptions.Level), 0, 3)]
    public void An_impossible_value_for_compression_is_refused_by_its_name(string option, int least, int most)
    {
        PropertyInfo property = typeof(PerMessageDeflateOptions).GetProperty(option)!;
        Action<WebSocketServerOptions> Set(int value) => options =>
        {
            options.PerMessageDeflate = new PerMessageDeflateOptions();
            property.SetValue(options.PerMessageDeflate, property.PropertyType.IsEnum ? Enum.ToObject(property.PropertyType, value) : value);
        };
        AssertPossible(Set(least));
        AssertPossible(Set(most));
        foreach (int impossible in most == int.MaxValue ? [least - 1] : new[] { least - 1, most + 1 })
        {
            ArgumentException refusal = Assert.ThrowsAny<ArgumentException>(() => Options(Set(impossible)).Validate());
            Assert.Contains($"PerMessageDeflateOptions.{option} is ", refusal.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void The_event_loop_is_chosen_where_the_system_has_it_and_refused_elsewhere()
    {
        Assert.False(new WebSocketServerOptions().UsesEventLoop);
        Assert.False(new WebSocketServerOptions { Transport = WebSocketTransport.Sockets }.UsesEventLoop);
        WebSocketServerOptions options = new() { Transport = WebSocketTransport.EventLoop };
        if (OperatingSystem.IsLinux())
        {
            options.Validate();
            Assert.True(options.UsesEventLoop);
        }
        else
        {
            Assert.Contains("Choose Auto", Assert.Throws<ArgumentException>(options.Validate).Message, StringComparison.Ordinal);
        }
    }
}
