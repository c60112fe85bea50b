using System.Diagnostics;
using WebSocketServerKit.Attacks;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Contract;

/// <summary>Clients that send faster than their handlers run keep nobody else waiting. They need all cores, so nothing else runs beside them.</summary>
[Collection(nameof(AttackedServer))]
public class FairnessTests
{
    // Far more than it takes, even where both cores have other work to do: without turns nobody is served before the flood has been worked off, which takes minutes.
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(10);

    [Theory]
    [InlineData(0)]
    [InlineData(50)]
    public async Task With_64_flooders_whose_handlers_take_a_millisecond_a_bystander_connects_and_is_answered_within_10_s(int payload)
    {
        const int Flooders = 64;
        await using AttackedServer server = await AttackedServer.StartAsync(subscribe: server => server.MessageReceived += async (_, e) =>
        {
            if (e.Client.Path == "/echo")
                await e.Client.SendAsync(e.Payload, e.MessageType);
            else
                Spin(TimeSpan.FromMilliseconds(1));
        });
        // A quarter of a minute of work and more for each of them, in one read or a few.
        byte[] flood = [.. Enumerable.Repeat(Attacker.Frame(0x82, new byte[payload]), 20_000).SelectMany(frame => frame)];
        Attacker[] flooders = await Task.WhenAll(Enumerable.Range(0, Flooders).Select(_ => server.OpenAsync()));
        Task[] sending = [.. flooders.Select(flooder => flooder.TrySendAsync(flood))];
        await Polling.UntilAsync(() => server.Server.Clients.Count(client => client.MessagesReceived > 0) == Flooders);

        for (int i = 0; i < 3; i++)
        {
            long began = Stopwatch.GetTimestamp();
            using Attacker bystander = await server.ConnectAsync();
            await bystander.SendAsync(Attacker.Request.Replace("GET / ", "GET /echo ", StringComparison.Ordinal));
            Assert.StartsWith("HTTP/1.1 101 ", await bystander.ReceiveHeadAsync());
            await bystander.SendAsync(Attacker.Frame(0x82, [7]));
            Assert.Equal([7], (await bystander.ReceiveFrameAsync()).Payload);
            Assert.InRange(Stopwatch.GetElapsedTime(began), TimeSpan.Zero, Bound);
        }

        // They were at it all the time, and nobody of them was cut.
        Assert.Equal(Flooders, server.Server.Clients.Count(client => client.MessagesReceived < 20_000 && client.Path == "/"));
        foreach (Attacker flooder in flooders)
            flooder.Reset();
        await Task.WhenAll(sending);
    }

    [Fact]
    public async Task Those_who_go_on_sending_after_they_were_refused_keep_nobody_waiting()
    {
        await using AttackedServer server = await AttackedServer.StartAsync(new() { CloseTimeout = TimeSpan.FromSeconds(20) });
        using var stop = new CancellationTokenSource();
        byte[] rubbish = new byte[1024 * 1024];
        Attacker[] flooders = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => server.ConnectAsync()));
        Task[] sending = [.. flooders.Select(async flooder =>
        {
            await flooder.SendAsync("BREW\r\n");
            while (!stop.IsCancellationRequested && await flooder.TrySendAsync(rubbish))
                await Task.Yield();
        })];

        for (int i = 0; i < 3; i++)
        {
            long began = Stopwatch.GetTimestamp();
            await server.AssertServesOthersAsync();
            Assert.InRange(Stopwatch.GetElapsedTime(began), TimeSpan.Zero, Bound);
        }

        await stop.CancelAsync();
        foreach (Attacker flooder in flooders)
            flooder.Reset();
        await Task.WhenAll(sending);
    }

    // The work of a handler: it needs its thread, and the processor.
    private static void Spin(TimeSpan time)
    {
        for (long began = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(began) < time;)
            Thread.SpinWait(10);
    }
}
