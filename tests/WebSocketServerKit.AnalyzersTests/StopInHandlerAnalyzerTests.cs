namespace WebSocketServerKit.Analyzers;

public sealed class StopInHandlerAnalyzerTests
{
    [Theory]
    [InlineData("server.MessageReceived += async (_, e) => await {|WSK0005:server.StopAsync()|};")]
    [InlineData("server.MessageReceived += async (_, e) => await {|WSK0005:server.StopAsync(1012, \"restart\")|}.ConfigureAwait(false);")]
    [InlineData("server.MessageReceived += (_, e) => {|WSK0005:server.StopAsync()|}.Wait();")]
    [InlineData("server.MessageReceived += (_, e) => Use({|WSK0005:server.StopAsync()|}.Result);")]
    [InlineData("server.ClientDisconnected += (_, e) => {|WSK0005:server.DisposeAsync()|}.AsTask().GetAwaiter().GetResult();")]
    [InlineData("server.HttpRequestReceived += async (_, e) => await {|WSK0005:server.DisposeAsync()|};")]
    [InlineData("server.MessageReceived += async (sender, e) => await {|WSK0005:((WebSocketServer)sender!).StopAsync()|};")]
    [InlineData("server.OnMessage(async (client, message) => await {|WSK0005:server.StopAsync()|});")]
    [InlineData("server.OnConnected((_, _) => Task.CompletedTask).OnMessage(async (client, message) => await {|WSK0005:server.StopAsync()|});")]
    [InlineData("server.Path(\"/admin\").OnMessage(async (client, message) => await {|WSK0005:server.StopAsync()|});")]
    [InlineData("WebSocketServer own = new(\"http://localhost:1\"); own.MessageReceived += async (_, e) => await {|WSK0005:own.StopAsync()|};")]
    public Task A_handler_that_waits_for_the_stop_of_its_server_is_found(string statement) => CSharpCode.FindsAsync<StopInHandlerAnalyzer>(CSharpCode.Host(statement));

    [Fact]
    public Task So_is_a_method_of_a_type_with_one_server() => CSharpCode.FindsAsync<StopInHandlerAnalyzer>(CSharpCode.Host(
        "server.MessageReceived += Handle;", "async void Handle(object sender, MessageReceivedEventArgs e) => await {|WSK0005:server.StopAsync()|};"));

    [Theory]
    [InlineData("server.MessageReceived += (_, e) => _ = server.StopAsync();")]
    [InlineData("server.MessageReceived += (_, e) => _ = Task.Run(async () => await server.StopAsync());")]
    [InlineData("server.MessageReceived += (_, e) => server.Dispose();")]
    [InlineData("server.MessageReceived += async (_, e) => await e.Client.CloseAsync();")]
    [InlineData("WebSocketServer other = new(\"http://localhost:1\"); server.MessageReceived += async (_, e) => await other.StopAsync();")]
    [InlineData("WebSocketServer other = new(\"http://localhost:1\"); other.OnMessage(async (client, message) => await server.StopAsync());")]
    [InlineData("server.StopAsync().Wait();")]
    [InlineData("Console.CancelKeyPress += (_, e) => server.StopAsync().Wait();")]
    [InlineData("EventHandler<MessageReceivedEventArgs> handler = async (_, e) => await server.StopAsync(); Use(handler);")]
    public Task Another_function_is_not(string statement) => CSharpCode.FindsAsync<StopInHandlerAnalyzer>(CSharpCode.Host(statement));

    [Fact]
    public Task A_method_of_a_type_with_two_servers_is_not() => CSharpCode.FindsAsync<StopInHandlerAnalyzer>(CSharpCode.Host(
        "control.MessageReceived += Handle;",
        """
        private readonly WebSocketServer control = new("http://localhost:1");

        async void Handle(object sender, MessageReceivedEventArgs e) => await server.StopAsync();
        """));
}
