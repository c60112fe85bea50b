using WebSocketServerKit;

namespace Consumers.Hosts;

/// <summary>A handler as an application has it: its logic knows text, and its tests need no socket.</summary>
internal sealed class Translator(IReadOnlyDictionary<string, string> words)
{
    public async Task HandleAsync(WebSocketClient client, MessageReceivedEventArgs message)
    {
        if (!message.IsText)
            await client.CloseAsync(CloseCode.UnsupportedData, "text only");
        else
            await client.SendAsync(Translate(message.Text));
    }

    public string Translate(string text) => string.Join(' ', text.Split(' ').Select(word => words.GetValueOrDefault(word, word)));
}
