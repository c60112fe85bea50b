namespace WebSocketServerKit.Analyzers;

public sealed class CopyPayloadFixTests
{
    private const string Members =
        """
        private ReadOnlyMemory<byte> _memory;
        private readonly List<ReadOnlyMemory<byte>> _list = new();
        private readonly Queue<MessageReceivedEventArgs> _queue = new();
        """;

    [Theory]
    [InlineData("server.MessageReceived += (_, e) => _memory = {|WSK0003:e.PayloadMemory|};", "server.MessageReceived += (_, e) => _memory = e.ToArray();")]
    [InlineData("server.MessageReceived += (_, e) => _list.Add({|WSK0003:e.PayloadMemory|});", "server.MessageReceived += (_, e) => _list.Add(e.ToArray());")]
    [InlineData("server.MessageReceived += (_, e) => { _memory = {|WSK0003:e.PayloadMemory|}; _list.Add({|WSK0003:e.PayloadMemory|}); };", "server.MessageReceived += (_, e) => { _memory = e.ToArray(); _list.Add(e.ToArray()); };")]
    [InlineData(
        """
        server.MessageReceived += (_, e) =>
        {
            // in the background
            _ = Task.Run(() => Use({|WSK0003:e.Text|} + e.Client.Id));
        };
        """,
        """
        server.MessageReceived += (_, e) =>
        {
            // in the background
            string text = e.Text;
            _ = Task.Run(() => Use(text + e.Client.Id));
        };
        """)]
    [InlineData(
        """
        server.MessageReceived += (_, e) =>
        {
            _ = Task.Run(() =>
            {
                Use({|WSK0003:e.PayloadMemory|}.Span.Length);
                Use(e.Text);
            });
        };
        """,
        """
        server.MessageReceived += (_, e) =>
        {
            ReadOnlyMemory<byte> payload = e.ToArray();
            string text = e.Text;
            _ = Task.Run(() =>
            {
                Use(payload.Span.Length);
                Use(text);
            });
        };
        """)]
    public Task The_payload_is_copied(string statement, string fixedStatement) =>
        CSharpCode.FixesAsync<EscapingPayloadAnalyzer, CopyPayloadFix>(CSharpCode.Host(statement, Members), CSharpCode.Host(fixedStatement, Members));

    [Theory]
    [InlineData("server.MessageReceived += (_, e) => _queue.Enqueue({|WSK0003:e|});")]
    [InlineData("server.MessageReceived += (_, e) => e.Client.State = {|WSK0003:e.PayloadMemory|};")]
    [InlineData("server.MessageReceived += (_, e) => _memory = {|WSK0003:e.PayloadMemory.Slice(1)|};")]
    [InlineData("server.MessageReceived += (_, e) => _ = Task.Run(() => Use({|WSK0003:e.Text|}));")]
    [InlineData("server.MessageReceived += (_, e) =>\n{\n    _ = Task.Run(() => HandleAsync({|WSK0003:e|}));\n};")]
    [InlineData("server.MessageReceived += (_, e) =>\n{\n    string text = \"\";\n    _ = Task.Run(() => Use({|WSK0003:e.Text|} + text));\n};")]
    public Task Where_it_is_not_sure_what_to_copy_there_is_no_fix(string statement) =>
        CSharpCode.FixesAsync<EscapingPayloadAnalyzer, CopyPayloadFix>(CSharpCode.Host(statement, Members), CSharpCode.Host(statement, Members));
}
