using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Testing;

namespace WebSocketServerKit.Analyzers;

public sealed class DroppedTaskAnalyzerTests
{
    [Theory]
    [InlineData("server.MessageReceived += (_, e) => {|WSK0001:HandleAsync(e)|};")]
    [InlineData("server.MessageReceived += (_, e) => { {|WSK0001:HandleAsync(e)|}; };")]
    [InlineData("server.MessageReceived += (_, e) => { if (e.IsText) {|WSK0001:HandleAsync(e)|}; };")]
    [InlineData("server.MessageReceived += delegate (object sender, MessageReceivedEventArgs e) { {|WSK0001:HandleAsync(e)|}; };")]
    [InlineData("server.MessageReceived += (_, e) => {|WSK0001:HandleAsync(e).ConfigureAwait(false)|};")]
    [InlineData("server.MessageReceived += (_, e) => {|WSK0001:e.Client.SendAsync(e.Text)|};")]
    [InlineData("server.ClientConnected += (_, e) => {|WSK0001:e.Client?.SendAsync(\"welcome\")|};")]
    [InlineData("server.ClientDisconnected += (_, e) => {|WSK0001:Task.Delay(1)|};")]
    [InlineData("server.Handshaking += (_, e) => {|WSK0001:Task.Delay(1)|};")]
    [InlineData("server.HttpRequestReceived += (_, e) => {|WSK0001:Task.Delay(1)|};")]
    [InlineData("server.ClientSlow += (_, e) => {|WSK0001:e.Client.CloseAsync()|};")]
    [InlineData("server.Path(\"/chat\").MessageReceived += (_, e) => {|WSK0001:HandleAsync(e)|};")]
    [InlineData("server.OnMessage((client, message) => { {|WSK0001:HandleAsync(message)|}; return Task.CompletedTask; });")]
    [InlineData("server.OnHandshaking(e => { {|WSK0001:Task.Delay(1)|}; return default(ValueTask); });")]
    [InlineData("server.MessageReceived += Handle; void Handle(object sender, MessageReceivedEventArgs e) => {|WSK0001:HandleAsync(e)|};")]
    public Task A_handler_that_drops_a_task_is_found(string statement) => CSharpCode.FindsAsync<DroppedTaskAnalyzer>(CSharpCode.Host(statement));

    [Fact]
    public Task A_method_that_handles_an_event_and_drops_a_task_is_found() => CSharpCode.FindsAsync<DroppedTaskAnalyzer>(CSharpCode.Host(
        "server.MessageReceived += Handle;",
        "void Handle(object sender, MessageReceivedEventArgs e) { {|WSK0001:HandleAsync(e)|}; }"));

    [Theory]
    [InlineData("server.MessageReceived += async (_, e) => await HandleAsync(e);")]
    [InlineData("server.MessageReceived += async (_, e) => { await HandleAsync(e).ConfigureAwait(false); };")]
    [InlineData("server.MessageReceived += (_, e) => _ = HandleAsync(e);")]
    [InlineData("server.MessageReceived += (_, e) => { _ = e.Client.SendAsync(e.Text); };")]
    [InlineData("server.MessageReceived += async (_, e) => { Task handling = HandleAsync(e); await e.Client.SendAsync(\"x\"); await handling; };")]
    [InlineData("Task last = null; server.MessageReceived += (_, e) => last = HandleAsync(e);")]
    [InlineData("server.MessageReceived += (_, e) => e.Client.TrySend(e.Payload);")]
    [InlineData("server.MessageReceived += (_, e) => server.Clients.Broadcast(e.Text);")]
    [InlineData("server.MessageReceived -= (_, e) => HandleAsync(e);")]
    [InlineData("server.OnMessage((client, message) => HandleAsync(message));")]
    [InlineData("server.OnMessage((client, message) => client.SendAsync(message.Text));")]
    [InlineData("server.OnMessage(async (client, message) => await HandleAsync(message));")]
    [InlineData("server.MessageReceived += async (_, e) => { await Inner(); Task Inner() => HandleAsync(e); };")]
    [InlineData("server.MessageReceived += (_, e) => { Action later = () => HandleAsync(e); Use(later); };")]
    [InlineData("EventHandler<MessageReceivedEventArgs> handler = async (_, e) => await HandleAsync(e); server.MessageReceived += handler; server.MessageReceived -= handler;")]
    public Task Another_handler_is_not(string statement) => CSharpCode.FindsAsync<DroppedTaskAnalyzer>(CSharpCode.Host(statement));

    [Fact]
    public Task Events_of_other_types_are_not_looked_at() => CSharpCode.FindsAsync<DroppedTaskAnalyzer>(
        """
        using System;
        using System.Threading.Tasks;
        using WebSocketServerKit;

        class MessageEventArgs : EventArgs;

        class OtherServer
        {
            public event EventHandler<MessageEventArgs> MessageReceived;

            public Task SendAsync() => Task.CompletedTask;

            void Subscribe(WebSocketServer server)
            {
                MessageReceived += (_, e) => SendAsync();
                MessageReceived += (_, e) => { SendAsync(); };
                server.Clients.ToLiveList().PropertyChanged += (_, e) => SendAsync();
                SendAsync();
            }
        }
        """);

    [Fact]
    public Task A_program_without_the_library_is_not_looked_at() => CSharpCode.FindsAsync<DroppedTaskAnalyzer>(
        """
        namespace Other
        {
            class WebSocketServer
            {
                public event System.EventHandler<object> MessageReceived;

                public System.Threading.Tasks.Task StopAsync() => null;

                void Subscribe()
                {
                    MessageReceived += (_, e) => StopAsync();
                    StopAsync();
                }
            }
        }
        """);

    [Theory]
    [InlineData("{|WSK0002:server.StartAsync()|};")]
    [InlineData("{|WSK0002:server.StopAsync()|};")]
    [InlineData("{|WSK0002:server.DisposeAsync()|};")]
    [InlineData("{|WSK0002:server.StartAsync().ConfigureAwait(false)|};")]
    [InlineData("foreach (WebSocketClient client in server.Clients) {|WSK0002:client.SendAsync(\"x\")|};")]
    [InlineData("server.Clients.ToList().ForEach(client => {|WSK0002:client.CloseAsync(1001)|});")]
    [InlineData("{|WSK0002:server.Clients.InGroup(\"lobby\").CloseAsync()|};")]
    [InlineData("{|WSK0002:server.Clients.Find(1)?.SendAsync(\"x\")|};")]
    [InlineData("Console.CancelKeyPress += (_, e) => {|WSK0002:server.StopAsync()|};")]
    [InlineData("using Timer timer = new(_ => {|WSK0002:server.Clients.First().PingAsync()|});")]
    public Task A_call_of_the_library_that_nobody_awaits_is_found(string statement) => CSharpCode.FindsAsync<DroppedTaskAnalyzer>(CSharpCode.Host(statement));

    [Fact]
    public Task So_is_one_behind_a_question_mark_in_an_async_method() => CSharpCode.FindsAsync<DroppedTaskAnalyzer>(CSharpCode.Host(
        "",
        "async Task SendAsync(WebSocketClient client) { {|WSK0002:client?.SendAsync(\"x\")|}; await Task.Yield(); }"),
        compiler: CompilerDiagnostics.Warnings);

    [Fact]
    public Task Where_the_compiler_warns_the_analyzer_does_not() => CSharpCode.FindsAsync<DroppedTaskAnalyzer>(
        CSharpCode.Host("", "async Task SendAsync(WebSocketClient client) { {|CS4014:client.SendAsync(\"x\")|}; await Task.Yield(); }"),
        compiler: CompilerDiagnostics.Warnings);

    [Theory]
    [InlineData("_ = server.StartAsync();")]
    [InlineData("Task starting = server.StartAsync(); starting.Wait();")]
    [InlineData("server.StartAsync().Wait();")]
    [InlineData("server.StartAsync().GetAwaiter().GetResult();")]
    [InlineData("Task.WaitAll(server.StartAsync());")]
    [InlineData("ValueTask? sending = server.Clients.Find(1)?.SendAsync(\"x\");")]
    [InlineData("Func<WebSocketClient, ValueTask> send = client => client.SendAsync(\"x\");")]
    [InlineData("server.StartAsync().ContinueWith(started => Use(started));")]
    [InlineData("HandleAsync(default);")]
    public Task Another_call_is_not(string statement) => CSharpCode.FindsAsync<DroppedTaskAnalyzer>(CSharpCode.Host(statement));

    [Fact]
    public Task Top_level_statements_that_do_not_await_are_looked_at() => CSharpCode.FindsAsync<DroppedTaskAnalyzer>(
        """
        using WebSocketServerKit;

        WebSocketServer server = new("http://localhost:8080");
        {|WSK0002:server.StartAsync()|};
        """,
        OutputKind.ConsoleApplication);
}
