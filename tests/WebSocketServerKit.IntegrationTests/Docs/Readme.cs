using WebSocketServerKit;

// Not a namespace of the library: the program sees what its using directives name, and no more.
namespace Guides;

/// <summary>The program of README.md, as it stands there.</summary>
internal static class Readme
{
    public static async Task RunAsync()
    {
        await using WebSocketServer server = new("http://localhost:8080");
        server.OnMessage(async (client, message) => await client.SendAsync(message.Text)); // or server.Clients.Broadcast(message)
        await server.StartAsync();
        Console.ReadLine();
    }
}
