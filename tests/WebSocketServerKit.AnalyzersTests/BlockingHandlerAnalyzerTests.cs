namespace WebSocketServerKit.Analyzers;

public sealed class BlockingHandlerAnalyzerTests
{
    [Theory]
    [InlineData("server.MessageReceived += (_, e) => {|WSK0004:HandleAsync(e).Wait()|};")]
    [InlineData("server.MessageReceived += (_, e) => {|WSK0004:HandleAsync(e).Wait(1000)|};")]
    [InlineData("server.MessageReceived += (_, e) => Use({|WSK0004:AnswerAsync(e.Text).Result|});")]
    [InlineData("server.MessageReceived += (_, e) => {|WSK0004:HandleAsync(e).GetAwaiter().GetResult()|};")]
    [InlineData("server.MessageReceived += (_, e) => {|WSK0004:HandleAsync(e).ConfigureAwait(false).GetAwaiter().GetResult()|};")]
    [InlineData("server.MessageReceived += (_, e) => {|WSK0004:e.Client.SendAsync(e.Text).GetAwaiter().GetResult()|};")]
    [InlineData("server.MessageReceived += (_, e) => {|WSK0004:e.Client.SendAsync(e.Text).AsTask().Wait()|};")]
    [InlineData("server.MessageReceived += (_, e) => { Task handling = HandleAsync(e); {|WSK0004:handling.Wait()|}; };")]
    [InlineData("server.MessageReceived += (_, e) => {|WSK0004:Task.WaitAll(HandleAsync(e))|};")]
    [InlineData("server.MessageReceived += async (_, e) => { await HandleAsync(e); Use({|WSK0004:AnswerAsync(e.Text).Result|}); };")]
    [InlineData("server.OnMessage((client, message) => { Use({|WSK0004:AnswerAsync(message.Text).Result|}); return Task.CompletedTask; });")]
    [InlineData("server.OnHttpRequest(async e => Use({|WSK0004:AnswerAsync(e.Request.Path).Result|}));")]
    [InlineData("server.OnMessageStream(async (client, message) => {|WSK0004:message.CopyToAsync(System.IO.Stream.Null).Wait()|});")]
    [InlineData("server.Path(\"/chat\").ClientConnected += (_, e) => {|WSK0004:e.Client.CloseAsync().Wait()|};")]
    public Task A_handler_that_blocks_is_found(string statement) => CSharpCode.FindsAsync<BlockingHandlerAnalyzer>(CSharpCode.Host(statement));

    [Fact]
    public Task So_is_a_method_that_handles_an_event() => CSharpCode.FindsAsync<BlockingHandlerAnalyzer>(CSharpCode.Host(
        "server.MessageReceived += Handle; server.OnMessage(OnMessageAsync);",
        """
        void Handle(object sender, MessageReceivedEventArgs e) => {|WSK0004:HandleAsync(e).Wait()|};
        async Task OnMessageAsync(WebSocketClient client, MessageReceivedEventArgs message) => await client.SendAsync({|WSK0004:AnswerAsync(message.Text).Result|});
        """));

    [Theory]
    [InlineData("server.MessageReceived += async (_, e) => await HandleAsync(e);")]
    [InlineData("server.MessageReceived += async (_, e) => { Task<string> a = AnswerAsync(e.Text), b = AnswerAsync(\"\"); await Task.WhenAll(a, b); Use(a.Result + b.Result); };")]
    [InlineData("server.MessageReceived += async (_, e) => Use((await Task.WhenAny(AnswerAsync(e.Text), AnswerAsync(\"\"))).Result);")]
    [InlineData("server.MessageReceived += async (_, e) => { Task<string> first = await Task.WhenAny(AnswerAsync(e.Text), AnswerAsync(\"\")); Use(first.Result); };")]
    [InlineData("server.MessageReceived += (_, e) => { ValueTask sending = e.Client.SendAsync(e.Text); if (sending.IsCompletedSuccessfully) sending.GetAwaiter().GetResult(); };")]
    [InlineData("server.MessageReceived += (_, e) => { Task<string> answer = AnswerAsync(e.Text); Use(answer.IsCompletedSuccessfully ? answer.Result : \"\"); };")]
    [InlineData("server.MessageReceived += async (_, e) => await AnswerAsync(e.Text).ContinueWith(answer => Use(answer.Result));")]
    [InlineData("server.MessageReceived += async (_, e) => { string text = e.Text; await Task.Run(() => AnswerAsync(text).Result); };")]
    [InlineData("server.MessageReceived += (_, e) => { void Later() => HandleAsync(default).Wait(); Use((Action)Later); };")]
    [InlineData("HandleAsync(default).Wait();")]
    [InlineData("Console.CancelKeyPress += (_, e) => server.StopAsync().Wait();")]
    [InlineData("server.MessageReceived += (_, e) => Use(new Waiter().Result); server.MessageReceived += (_, e) => new Waiter().Wait();")]
    public Task Another_function_is_not(string statement) =>
        CSharpCode.FindsAsync<BlockingHandlerAnalyzer>(CSharpCode.Host(statement, "class Waiter { public object Result => null; public void Wait() { } }"));

    [Fact]
    public Task Handlers_of_other_events_are_not_looked_at() => CSharpCode.FindsAsync<BlockingHandlerAnalyzer>(
        """
        using System;
        using System.Threading.Tasks;
        using WebSocketServerKit;

        class OtherServer
        {
            public event EventHandler<EventArgs> MessageReceived;

            void Subscribe(WebSocketServer server) => MessageReceived += (_, e) => server.StartAsync().Wait();
        }
        """);
}
