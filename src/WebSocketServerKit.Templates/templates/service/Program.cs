using Microsoft.Extensions.Hosting;
using WebSocketService._1;

HostApplicationBuilder builder = Host.CreateApplicationBuilder(new HostApplicationBuilderSettings { Args = args, ContentRootPath = AppContext.BaseDirectory });
builder.Services.AddSystemd(); // tells systemd when the service is ready, and logs for its journal; does nothing elsewhere
builder.Services.AddChat(builder.Configuration.GetSection("WebSocketServers:chat"));
await builder.Build().RunAsync();
