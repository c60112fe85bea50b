using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.SignalR;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace WebSocketServerKit.LoadTests.Servers;

/// <summary>SignalR with its backplane for Redis, and a hub that sends to a group.</summary>
internal static class SignalRServer
{
    /// <summary>What a client of its JSON protocol sends first, and what it gets when it is in the group.</summary>
    public static readonly Greeting Greeting = new("""{"protocol":"json","version":1}""" + "\u001e", """{"type":1,"target":"Ready","arguments":[]}""" + "\u001e");

    /// <summary>A message to the group. What the members get has the same bytes.</summary>
    public static string Invocation(string text) => $$"""{"type":1,"target":"{{nameof(Room.Say)}}","arguments":["{{text}}"]}""" + "\u001e";

    public static async Task<int> StartAsync()
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        builder.Services.AddSignalR().AddStackExchangeRedis(RedisProcess.Configuration);
        WebApplication application = builder.Build();
        application.MapHub<Room>("");
        await application.StartAsync();
        return new Uri(application.Urls.Single()).Port;
    }

    internal sealed class Room : Hub
    {
        private const string Name = "room";

        public override async Task OnConnectedAsync()
        {
            await Groups.AddToGroupAsync(Context.ConnectionId, Name);
            await Clients.Caller.SendAsync("Ready");
        }

        public Task Say(string text) => Clients.Group(Name).SendAsync(nameof(Say), text);
    }
}
