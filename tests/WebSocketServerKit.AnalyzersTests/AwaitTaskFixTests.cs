using Microsoft.CodeAnalysis;

namespace WebSocketServerKit.Analyzers;

public sealed class AwaitTaskFixTests
{
    [Theory]
    [InlineData("server.MessageReceived += (_, e) => {|WSK0001:HandleAsync(e)|};", "server.MessageReceived += async (_, e) => await HandleAsync(e);")]
    [InlineData("server.MessageReceived += static (_, e) => {|WSK0001:HandleAsync(e)|};", "server.MessageReceived += static async (_, e) => await HandleAsync(e);")]
    [InlineData("server.MessageReceived += (_, e) => { /* why */ {|WSK0001:HandleAsync(e)|}; };", "server.MessageReceived += async (_, e) => { /* why */ await HandleAsync(e); };")]
    [InlineData(
        "server.MessageReceived += (_, e) => { {|WSK0001:HandleAsync(e)|}; if (e.IsText) {|WSK0001:e.Client.SendAsync(e.Text).ConfigureAwait(false)|}; };",
        "server.MessageReceived += async (_, e) => { await HandleAsync(e); if (e.IsText) await e.Client.SendAsync(e.Text).ConfigureAwait(false); };")]
    [InlineData(
        "server.OnMessage((client, message) => { {|WSK0001:client.SendAsync(message.Text)|}; return Task.CompletedTask; });",
        "server.OnMessage(async (client, message) => { await client.SendAsync(message.Text); });")]
    [InlineData(
        "server.OnMessage((client, message) => { if (message.IsText) return HandleAsync(message); {|WSK0001:HandleAsync(message)|}; return HandleAsync(message); });",
        "server.OnMessage(async (client, message) => { if (message.IsText) { await HandleAsync(message); return; } await HandleAsync(message); await HandleAsync(message); });")]
    public Task A_handler_awaits_what_it_dropped(string statement, string fixedStatement) =>
        CSharpCode.FixesAsync<DroppedTaskAnalyzer, AwaitTaskFix>(CSharpCode.Host(statement), CSharpCode.Host(fixedStatement));

    [Theory]
    [InlineData("server.MessageReceived += (_, e) => {|WSK0001:e.Client?.SendAsync(e.Text)|};")]
    [InlineData("server.MessageReceived += (_, e) => { lock (server) {|WSK0001:HandleAsync(e)|}; };")]
    [InlineData("server.MessageReceived += (_, e) => { ReadOnlySpan<byte> bytes = e.Payload; {|WSK0001:e.Client.SendAsync(bytes)|}; Use(bytes.Length); };")]
    [InlineData("EventHandler<MessageReceivedEventArgs> handler = (_, e) => {|WSK0001:HandleAsync(e)|}; Use(handler);")]
    [InlineData("server.Clients.ToList().ForEach(client => {|WSK0002:client.SendAsync(\"x\")|});")]
    [InlineData("{|WSK0002:server.StartAsync()|};")]
    public Task Where_it_is_not_sure_that_the_function_can_await_there_is_no_fix(string statement) =>
        CSharpCode.FixesAsync<DroppedTaskAnalyzer, AwaitTaskFix>(CSharpCode.Host(statement), CSharpCode.Host(statement));

    [Fact]
    public Task A_method_that_returns_a_task_becomes_async() => CSharpCode.FixesAsync<DroppedTaskAnalyzer, AwaitTaskFix>(
        CSharpCode.Host(
            "",
            """
            private Task SendAllAsync(bool really)
            {
                if (!really)
                    return Task.CompletedTask;

                foreach (WebSocketClient client in server.Clients)
                    {|WSK0002:client.SendAsync("x")|};
                return Task.CompletedTask;
            }
            """),
        CSharpCode.Host(
            "",
            """
            private async Task SendAllAsync(bool really)
            {
                if (!really)
                    return;

                foreach (WebSocketClient client in server.Clients)
                    await client.SendAsync("x");
            }
            """));

    [Fact]
    public Task Top_level_statements_await() => CSharpCode.FixesAsync<DroppedTaskAnalyzer, AwaitTaskFix>(
        """
        using WebSocketServerKit;

        WebSocketServer server = new("http://localhost:8080");
        // comes first
        {|WSK0002:server.StartAsync()|};
        """,
        """
        using WebSocketServerKit;

        WebSocketServer server = new("http://localhost:8080");
        // comes first
        await server.StartAsync();
        """,
        OutputKind.ConsoleApplication);

    [Theory]
    [InlineData("server.MessageReceived += (_, e) => {|WSK0004:HandleAsync(e).Wait()|};", "server.MessageReceived += async (_, e) => await HandleAsync(e);")]
    [InlineData("server.MessageReceived += (_, e) => Use({|WSK0004:AnswerAsync(e.Text).Result|});", "server.MessageReceived += async (_, e) => Use(await AnswerAsync(e.Text));")]
    [InlineData("server.MessageReceived += (_, e) => Use({|WSK0004:AnswerAsync(e.Text).Result|}.Length);", "server.MessageReceived += async (_, e) => Use((await AnswerAsync(e.Text)).Length);")]
    [InlineData(
        "server.MessageReceived += async (_, e) => { await HandleAsync(e); Use({|WSK0004:AnswerAsync(e.Text).GetAwaiter().GetResult()|}); };",
        "server.MessageReceived += async (_, e) => { await HandleAsync(e); Use(await AnswerAsync(e.Text)); };")]
    [InlineData(
        "server.OnMessage((client, message) => client.SendAsync({|WSK0004:AnswerAsync(message.Text).Result|}));",
        "server.OnMessage(async (client, message) => await client.SendAsync(await AnswerAsync(message.Text)));")]
    public Task A_handler_awaits_what_it_blocked_on(string statement, string fixedStatement) =>
        CSharpCode.FixesAsync<BlockingHandlerAnalyzer, AwaitTaskFix>(CSharpCode.Host(statement), CSharpCode.Host(fixedStatement));

    [Theory]
    [InlineData("server.MessageReceived += (_, e) => {|WSK0004:HandleAsync(e).Wait(1000)|};")]
    [InlineData("server.MessageReceived += (_, e) => {|WSK0004:Task.WaitAll(HandleAsync(e))|};")]
    [InlineData("server.MessageReceived += (_, e) => { lock (server) {|WSK0004:HandleAsync(e).Wait()|}; };")]
    public Task Where_awaiting_is_not_the_same_there_is_no_fix(string statement) =>
        CSharpCode.FixesAsync<BlockingHandlerAnalyzer, AwaitTaskFix>(CSharpCode.Host(statement), CSharpCode.Host(statement));
}
