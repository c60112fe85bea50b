using System.Diagnostics;
using System.Net.WebSockets;
using Microsoft.Extensions.DependencyInjection;
using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit;

/// <summary>What OpenTelemetry's SDK collects of a hosted server. It hears all servers of the process, so no other test runs meanwhile.</summary>
[Collection(nameof(OpenTelemetryTests))]
[CollectionDefinition(nameof(OpenTelemetryTests), DisableParallelization = true)]
public sealed class OpenTelemetryTests
{
    private static void Echo(WebSocketServerBuilder server) =>
        server.Configure((_, server) => server.MessageReceived += async (_, e) => await e.Client.SendAsync(e.Payload, e.MessageType));

    [Fact]
    public async Task The_metrics_of_a_server_are_collected_under_its_name()
    {
        List<MetricSnapshot> metrics = [];
        await using TestHost host = await TestHost.StartAsync(
            Echo, services => services.AddOpenTelemetry().WithMetrics(collect => collect.AddMeter("WebSocketServerKit").AddInMemoryExporter(metrics)));
        using ClientWebSocket client = await host.ConnectAsync();
        await client.SendAsync("hello");
        Assert.Equal("hello", await client.ReceiveAsync());

        host.Host.Services.GetRequiredService<MeterProvider>().ForceFlush();
        Assert.Equal(["1 websocket.server.name=chat"], PointsOf("websocket.server.clients"), StringComparer.Ordinal);
        Assert.Equal(
            ["5 network.io.direction=receive websocket.server.name=chat", "5 network.io.direction=transmit websocket.server.name=chat"], PointsOf("websocket.server.messages.payload"),
            StringComparer.Ordinal);
        Assert.Equal(["1 http.response.status_code=101 websocket.server.name=chat"], PointsOf("websocket.server.handshakes"), StringComparer.Ordinal);

        // Servers of other tests have a meter of the process.
        IEnumerable<string> PointsOf(string name)
        {
            foreach (MetricPoint point in metrics.Where(metric => metric.Name == name).SelectMany(metric => metric.MetricPoints))
            {
                List<string> tags = [];
                foreach (KeyValuePair<string, object?> tag in point.Tags)
                    tags.Add($"{tag.Key}={tag.Value}");
                if (tags.Contains("websocket.server.name=chat", StringComparer.Ordinal))
                    yield return $"{point.GetSumLong()} {string.Join(' ', tags.Order(StringComparer.Ordinal))}";
            }
        }
    }

    [Fact]
    public async Task The_spans_of_a_client_belong_to_the_trace_of_its_request()
    {
        List<Activity> spans = [];
        await using TestHost host = await TestHost.StartAsync(
            server => Echo(server.Configure(options => options.TraceMessages = true)),
            services => services.AddOpenTelemetry().WithTracing(collect => collect.SetSampler<AlwaysOnSampler>().AddSource("WebSocketServerKit").AddInMemoryExporter(spans)));
        using (ClientWebSocket client = new())
        {
            client.Options.SetRequestHeader("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
            await client.ConnectAsync(new Uri($"ws://{host.EndPoint}/"), TestHost.Timely);
            await client.SendAsync("hello");
            Assert.Equal("hello", await client.ReceiveAsync());
            await client.LeaveAsync();
        }

        await host.Host.StopAsync(TestHost.Timely);
        host.Host.Services.GetRequiredService<TracerProvider>().ForceFlush();
        Activity handshake = spans.Single(span => span.Kind == ActivityKind.Server), connection = spans.Single(span => span.Kind == ActivityKind.Internal);
        Assert.Equal(("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"), (handshake.TraceId.ToHexString(), handshake.ParentSpanId.ToHexString()));
        Assert.Equal((handshake.SpanId, "chat"), (connection.ParentSpanId, connection.GetTagItem("websocket.server.name")));
        Activity message = spans.Single(span => span.Kind == ActivityKind.Consumer);
        Assert.Equal(connection.Context, message.Links.Single().Context);
    }
}
