using System.Reflection;
using WebSocketServerKit.Connections;
using WebSocketServerKit.Connections.Memory;

namespace WebSocketServerKit.Options;

public sealed class ClientOptionsTests
{
    private static readonly ConnectionSettings Server = Settings(_ => { });

    /// <summary>For each option a value that is not the server's default. A new option needs a line here.</summary>
    private static readonly Dictionary<string, object> Values = new(StringComparer.Ordinal)
    {
        [nameof(ClientOptions.MaxMessageSize)] = 1,
        [nameof(ClientOptions.MaxFragmentsPerMessage)] = 2,
        [nameof(ClientOptions.MaxMessagesPerSecond)] = 3,
        [nameof(ClientOptions.MaxBytesPerSecond)] = 4L,
        [nameof(ClientOptions.SendQueueLimit)] = 5000,
        [nameof(ClientOptions.HandlerExceptions)] = HandlerExceptionPolicy.KeepClient,
        [nameof(ClientOptions.AllowsCompression)] = false,
        [nameof(ClientOptions.StreamMessagesFrom)] = 6L,
        [nameof(ClientOptions.MaxStreamedMessageSize)] = 7L,
        [nameof(ClientOptions.StreamedMessageTimeout)] = TimeSpan.FromSeconds(8),
        [nameof(ClientOptions.SlowClients)] = SlowClientPolicy.DropOldest,
        [nameof(ClientOptions.SendBufferSize)] = 20_000,
        [nameof(ClientOptions.OverRate)] = RateLimitReaction.Drop,
    };

    public static TheoryData<string> Names => [.. Values.Keys];

    private static ConnectionSettings Settings(Action<WebSocketServerOptions> change)
    {
        var options = new WebSocketServerOptions { PerMessageDeflate = new PerMessageDeflateOptions() };
        change(options);
        return options.ToConnectionSettings(new MemoryBudget(long.MaxValue, System.Buffers.ArrayPool<byte>.Shared));
    }

    private static ClientOptions With(string name, object? value)
    {
        var options = new ClientOptions();
        typeof(ClientOptions).GetProperty(name)!.SetValue(options, value);
        return options;
    }

    [Fact]
    public void Every_option_is_tested_here_and_null_by_default()
    {
        PropertyInfo[] options = typeof(ClientOptions).GetProperties();
        Assert.Equal(Values.Keys.Order(StringComparer.Ordinal), options.Select(option => option.Name).Order(StringComparer.Ordinal));
        Assert.All(options, option => Assert.Null(option.GetValue(new ClientOptions())));
    }

    [Fact]
    public void Options_that_change_nothing_cost_no_settings_of_their_own()
    {
        Assert.Same(Server, new ClientOptions().ApplyTo(Server));
        Assert.Same(Server, new ClientOptions { MaxMessageSize = Server.MaxMessageSize, HandlerExceptions = HandlerExceptionPolicy.CloseClient, AllowsCompression = true }.ApplyTo(Server));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void An_option_reaches_the_settings_and_no_other_does(string name)
    {
        ConnectionSettings own = With(name, Values[name]).ApplyTo(Server);
        Assert.NotSame(Server, own);
        PropertyInfo changed = Assert.Single(typeof(ConnectionSettings).GetProperties(), setting => !Equals(setting.GetValue(Server), setting.GetValue(own)));
        string expected = name switch
        {
            nameof(ClientOptions.HandlerExceptions) => nameof(ConnectionSettings.CloseOnHandlerException),
            nameof(ClientOptions.AllowsCompression) => nameof(ConnectionSettings.Compression),
            _ => name,
        };
        Assert.Equal(expected, changed.Name);
        if (Values[name] is TimeSpan)
            Assert.Equal(Values[name], changed.GetValue(own));
        else if (expected == name)
            Assert.Equal(Convert.ToInt64(Values[name], null), Convert.ToInt64(changed.GetValue(own), null));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_copy_has_every_option_and_is_one_of_its_own(string name)
    {
        ClientOptions options = With(name, Values[name]);
        var copy = new ClientOptions(options);
        typeof(ClientOptions).GetProperty(name)!.SetValue(options, null);
        Assert.Equal(Values[name], typeof(ClientOptions).GetProperty(name)!.GetValue(copy));
    }

    [Fact]
    public void A_policy_of_the_client_replaces_that_of_the_server_in_both_directions()
    {
        ConnectionSettings keeps = Settings(options => options.HandlerExceptions = HandlerExceptionPolicy.KeepClient);
        Assert.True(new ClientOptions { HandlerExceptions = HandlerExceptionPolicy.CloseClient }.ApplyTo(keeps).CloseOnHandlerException);
        Assert.False(new ClientOptions { HandlerExceptions = HandlerExceptionPolicy.KeepClient }.ApplyTo(Server).CloseOnHandlerException);
    }

    [Theory]
    [InlineData(nameof(ClientOptions.MaxMessageSize))]
    [InlineData(nameof(ClientOptions.MaxFragmentsPerMessage))]
    [InlineData(nameof(ClientOptions.MaxMessagesPerSecond))]
    [InlineData(nameof(ClientOptions.MaxBytesPerSecond))]
    [InlineData(nameof(ClientOptions.SendQueueLimit))]
    [InlineData(nameof(ClientOptions.MaxStreamedMessageSize))]
    public void A_number_has_the_range_that_it_has_for_the_server_and_is_named_with_it(string name)
    {
        foreach (long value in (long[])[-1, 0, 1, 2, 1023, 1024, Array.MaxLength / 2, Array.MaxLength / 2 + 1, 1 << 30, (1 << 30) + 1, int.MaxValue, long.MaxValue])
        {
            var server = new WebSocketServerOptions();
            var client = new ClientOptions();
            if (!TrySet(server, name, value) || !TrySet(client, name, value))
                continue;
            Exception? wrong = Record.Exception(server.Validate);
            Exception? wrongHere = Record.Exception(() => client.ValidateClient("Owner"));
            Assert.Equal(wrong?.Message.Replace("WebSocketServerOptions.", "Owner.", StringComparison.Ordinal), wrongHere?.Message);
        }

        var zero = new ClientOptions();
        Assert.True(TrySet(zero, name, 0));
        Assert.Throws<ArgumentException>(() => zero.ValidateClient("Owner"));
    }

    [Fact]
    public void The_size_and_the_time_for_messages_that_are_read_while_they_come_have_the_ranges_of_the_server()
    {
        new ClientOptions { StreamMessagesFrom = 0, StreamedMessageTimeout = Timeout.InfiniteTimeSpan }.ValidateClient("Owner");
        Assert.StartsWith("Owner.StreamMessagesFrom is -1; it must be from 0 to ", Assert.Throws<ArgumentException>(() => new ClientOptions { StreamMessagesFrom = -1 }.ValidateClient("Owner")).Message, StringComparison.Ordinal);
        Assert.StartsWith(
            "Owner.StreamedMessageTimeout is 13:00:00; it must be longer than zero and at most 12:00:00, or Timeout.InfiniteTimeSpan.",
            Assert.Throws<ArgumentException>(() => new ClientOptions { StreamedMessageTimeout = TimeSpan.FromHours(13) }.ValidateClient("Owner")).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_policy_that_does_not_exist_is_named() =>
        Assert.Equal("Owner.HandlerExceptions is 7; it must be one of CloseClient, KeepClient.", Assert.Throws<ArgumentException>(() => new ClientOptions { HandlerExceptions = (HandlerExceptionPolicy)7 }.ValidateClient("Owner")).Message);

    private static bool TrySet(object options, string name, long value)
    {
        PropertyInfo option = options.GetType().GetProperty(name)!;
        if ((Nullable.GetUnderlyingType(option.PropertyType) ?? option.PropertyType) == typeof(long))
            option.SetValue(options, value);
        else if (value is >= int.MinValue and <= int.MaxValue)
            option.SetValue(options, (int)value);
        else
            return false;
        return true;
    }
}
