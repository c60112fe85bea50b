namespace WebSocketServerKit.Analyzers;

public sealed class EscapingPayloadAnalyzerTests
{
    private const string Members =
        """
        private MessageReceivedEventArgs _last;
        private ReadOnlyMemory<byte> _memory;
        private byte[] _bytes;
        private static ReadOnlyMemory<byte> s_memory;
        private readonly Queue<MessageReceivedEventArgs> _queue = new();
        private readonly List<ReadOnlyMemory<byte>> _list = new();
        private readonly ConcurrentDictionary<long, ReadOnlyMemory<byte>> _byClient = new();
        private readonly Channel<MessageReceivedEventArgs> _channel = Channel.CreateUnbounded<MessageReceivedEventArgs>();
        private Host _other;
        ReadOnlyMemory<byte> Memory { get; set; }
        """;

    [Theory]
    [InlineData("server.MessageReceived += (_, e) => _ = Task.Run(() => Use({|WSK0003:e.Text|}));")]
    [InlineData("server.MessageReceived += (_, e) => { _ = Task.Run(() => Use({|WSK0003:e.PayloadMemory|}.Length)); };")]
    [InlineData("server.MessageReceived += (_, e) => { Task.Run(() => Use({|WSK0003:e.Payload|}.Length)); };")]
    [InlineData("server.MessageReceived += (_, e) => _ = Task.Run(async () => await e.Client.SendAsync({|WSK0003:e|}));")]
    [InlineData("server.MessageReceived += (_, e) => _ = Task.Run(() => HandleAsync({|WSK0003:e|}));")]
    [InlineData("server.MessageReceived += (_, e) => _ = Task.Factory.StartNew(() => Use({|WSK0003:e.ToArray()|}));")]
    [InlineData("server.MessageReceived += (_, e) => ThreadPool.QueueUserWorkItem(_ => Use({|WSK0003:e.Text|}));")]
    [InlineData("server.MessageReceived += (_, e) => new Thread(() => Use({|WSK0003:e.Text|})).Start();")]
    [InlineData("server.MessageReceived += (_, e) => Use(new Timer(_ => Use({|WSK0003:e.Text|}), null, 1000, 1000));")]
    [InlineData("server.MessageReceived += (_, e) => { ReadOnlyMemory<byte> view = e.PayloadMemory; _ = Task.Run(() => Use({|WSK0003:view|}.ToArray())); };")]
    [InlineData("server.MessageReceived += (_, e) => { ReadOnlyMemory<byte> view = e.PayloadMemory[2..]; _ = Task.Run(() => Use({|WSK0003:view|}.ToArray())); };")]
    [InlineData("server.OnMessage((client, message) => { _ = Task.Run(() => Use({|WSK0003:message.Text|})); return Task.CompletedTask; });")]
    [InlineData("server.OnMessageStream((client, message) => { _ = Task.Run(() => {|WSK0003:message.CopyToAsync(System.IO.Stream.Null)|}); return Task.CompletedTask; });")]
    [InlineData("void Helper(MessageReceivedEventArgs e) => _ = Task.Run(() => Use({|WSK0003:e.Text|})); server.MessageReceived += (_, e) => Helper(e);")]
    public Task A_message_in_work_that_nobody_waits_for_is_found(string statement) => CSharpCode.FindsAsync<EscapingPayloadAnalyzer>(CSharpCode.Host(statement));

    [Theory]
    [InlineData("server.MessageReceived += (_, e) => _last = {|WSK0003:e|};")]
    [InlineData("server.MessageReceived += (_, e) => _memory = {|WSK0003:e.PayloadMemory|};")]
    [InlineData("server.MessageReceived += (_, e) => Memory = {|WSK0003:e.PayloadMemory|};")]
    [InlineData("server.MessageReceived += (_, e) => s_memory = {|WSK0003:e.PayloadMemory|};")]
    [InlineData("server.MessageReceived += (_, e) => _memory = {|WSK0003:e.PayloadMemory.Slice(1)|};")]
    [InlineData("server.MessageReceived += (_, e) => { var view = e.PayloadMemory; _memory = {|WSK0003:view|}; };")]
    [InlineData("server.MessageReceived += (_, e) => _other._memory = {|WSK0003:e.PayloadMemory|};")]
    [InlineData("server.MessageReceived += (_, e) => e.Client.State = {|WSK0003:e|};")]
    [InlineData("server.OnMessage((client, message) => { client.State = {|WSK0003:message.PayloadMemory|}; return Task.CompletedTask; });")]
    [InlineData("server.MessageReceived += (_, e) => e.Client.GetState<Host>().Memory = {|WSK0003:e.PayloadMemory|};")]
    [InlineData("server.MessageReceived += (_, e) => _queue.Enqueue({|WSK0003:e|});")]
    [InlineData("server.MessageReceived += (_, e) => _list.Add({|WSK0003:e.PayloadMemory|});")]
    [InlineData("server.MessageReceived += (_, e) => _byClient[e.Client.Id] = {|WSK0003:e.PayloadMemory|};")]
    [InlineData("server.MessageReceived += (_, e) => _byClient.TryAdd(e.Client.Id, {|WSK0003:e.PayloadMemory|});")]
    [InlineData("server.MessageReceived += (_, e) => _channel.Writer.TryWrite({|WSK0003:e|});")]
    [InlineData("server.MessageReceived += async (_, e) => await _channel.Writer.WriteAsync({|WSK0003:e|});")]
    [InlineData("List<MessageReceivedEventArgs> all = new(); server.MessageReceived += (_, e) => all.Add({|WSK0003:e|});")]
    [InlineData("MessageReceivedEventArgs last = default; server.MessageReceived += (_, e) => last = {|WSK0003:e|};")]
    public Task A_message_in_a_place_that_lasts_is_found(string statement) => CSharpCode.FindsAsync<EscapingPayloadAnalyzer>(CSharpCode.Host(statement, Members));

    [Fact]
    public Task So_is_one_that_a_method_stores_which_handles_an_event() => CSharpCode.FindsAsync<EscapingPayloadAnalyzer>(CSharpCode.Host(
        "server.MessageReceived += Handle;", Members + "\nvoid Handle(object sender, MessageReceivedEventArgs e) => _queue.Enqueue({|WSK0003:e|});"));

    [Theory]
    [InlineData("server.MessageReceived += async (_, e) => await Task.Run(() => Use(e.Text));")]
    [InlineData("server.MessageReceived += async (_, e) => { Task work = Task.Run(() => Use(e.Text)); await work; };")]
    [InlineData("server.MessageReceived += async (_, e) => await Task.WhenAll(Task.Run(() => Use(e.Text)), Task.Run(() => Use(e.Text)));")]
    [InlineData("server.OnMessage((client, message) => Task.Run(() => Use(message.Text)));")]
    [InlineData("server.MessageReceived += (_, e) => { string text = e.Text; _ = Task.Run(() => Use(text)); };")]
    [InlineData("server.MessageReceived += (_, e) => { byte[] bytes = e.ToArray(); _ = Task.Run(() => Use(bytes)); };")]
    [InlineData("server.MessageReceived += (_, e) => { ReadOnlyMemory<byte> bytes = e.ToArray(); _ = Task.Run(() => Use(bytes)); };")]
    [InlineData("server.MessageReceived += (_, e) => { ReadOnlyMemory<byte> view = e.PayloadMemory; view = view.ToArray(); _ = Task.Run(() => Use(view)); };")]
    [InlineData("server.MessageReceived += (_, e) => _ = Task.Run(() => Use(e.Client));")]
    [InlineData("server.MessageReceived += (_, e) => _ = Task.Run(async () => { await Task.Yield(); e.ContinueReceiving(); Use(e.IsText); });")]
    [InlineData("server.ClientConnected += (_, e) => _ = Task.Run(() => Use(e.Request));")]
    [InlineData("server.MessageReceived += (_, e) => { Thread thread = new(() => Use(e.Text)); thread.Start(); thread.Join(); };")]
    [InlineData("server.MessageReceived += async (_, e) => { await using Timer timer = new(_ => Use(e.Text), null, 1000, 1000); await Task.Delay(1); };")]
    [InlineData("server.MessageReceived += async (_, e) => { TaskCompletionSource done = new(); ThreadPool.QueueUserWorkItem(_ => { Use(e.Text); done.SetResult(); }); await done.Task; };")]
    [InlineData("server.MessageReceived += (_, e) => { void Inner() => Use(e.Text); Inner(); };")]
    [InlineData("server.MessageReceived += (_, e) => _bytes = e.ToArray();")]
    [InlineData("server.MessageReceived += (_, e) => _bytes = e.Payload.ToArray();")]
    [InlineData("server.MessageReceived += (_, e) => _memory = e.ToArray();")]
    [InlineData("server.MessageReceived += (_, e) => _memory = e.PayloadMemory.ToArray();")]
    [InlineData("server.MessageReceived += (_, e) => _list.Add(e.ToArray());")]
    [InlineData("server.MessageReceived += (_, e) => { _last = e; Use(null); _last = default; };")]
    [InlineData("server.MessageReceived += async (_, e) => { _byClient.TryAdd(e.Client.Id, e.PayloadMemory); try { await HandleAsync(e); } finally { _byClient.TryRemove(e.Client.Id, out var taken); } };")]
    [InlineData("server.MessageReceived += async (_, e) => { _byClient[e.Client.Id] = e.PayloadMemory; await HandleAsync(e); _byClient.TryRemove(e.Client.Id, out var taken); };")]
    [InlineData("server.MessageReceived += async (_, e) => { _list.Add(e.PayloadMemory); await HandleAsync(e); _list.Clear(); };")]
    [InlineData("server.MessageReceived += (_, e) => { List<ReadOnlyMemory<byte>> parts = new(); parts.Add(e.PayloadMemory); Use(parts.Count); };")]
    [InlineData("server.MessageReceived += (_, e) => { Host local = new(); local._memory = e.PayloadMemory; };")]
    [InlineData("server.MessageReceived += (_, e) => Use(new Host { _memory = e.PayloadMemory });")]
    [InlineData("server.MessageReceived += async (_, e) => { ReadOnlyMemory<byte> view = default; await Task.Run(() => view = e.PayloadMemory); };")]
    [InlineData("server.MessageReceived += async (_, e) => await Task.Run(() => { ReadOnlyMemory<byte> view; view = e.PayloadMemory; Use(view.Length); });")]
    [InlineData("server.ClientDisconnected += (_, e) => ends.Add(e);")]
    public Task Another_use_is_not(string statement) =>
        CSharpCode.FindsAsync<EscapingPayloadAnalyzer>(CSharpCode.Host(statement, Members + "\nprivate readonly List<ClientDisconnectedEventArgs> ends = new();"));

    [Fact]
    public Task An_object_that_is_made_for_a_message_may_hold_it() => CSharpCode.FindsAsync<EscapingPayloadAnalyzer>(CSharpCode.Host(
        "server.MessageReceived += (_, e) => new Reader(e).Read();",
        """
        class Reader
        {
            private readonly MessageReceivedEventArgs _message;

            public Reader(MessageReceivedEventArgs message) => _message = message;

            public void Read() => Use(_message.Text);
        }
        """));

    [Fact]
    public Task Messages_of_other_libraries_are_not_looked_at() => CSharpCode.FindsAsync<EscapingPayloadAnalyzer>(
        """
        using System;
        using System.Threading.Tasks;
        using WebSocketServerKit;

        class Other
        {
            public class MessageReceivedEventArgs : EventArgs { public ReadOnlyMemory<byte> PayloadMemory => default; }

            public event EventHandler<MessageReceivedEventArgs> MessageReceived;

            private MessageReceivedEventArgs _last;

            void Subscribe(WebSocketServer server)
            {
                MessageReceived += (_, e) => _last = e;
                MessageReceived += (_, e) => _ = Task.Run(() => e.PayloadMemory.Length);
            }
        }
        """);
}
