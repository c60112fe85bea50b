using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;
using WebSocketServerKit.Conformance.Rules;
using WebSocketServerKit.Raw;

namespace WebSocketServerKit.Conformance.Handshake;

/// <summary>The battery, request by request, and requests cut at every byte.</summary>
public sealed class HandshakeTests(HandshakeServer server)
{
    public static TheoryData<string> AcceptedNames => [.. HandshakeBattery.Accepted.Select(one => Row(one.Name))];

    public static TheoryData<string> RefusedNames => [.. HandshakeBattery.Refused.Select(one => Row(one.Name))];

    /// <summary>One accepted and a few that are refused in different places.</summary>
    public static TheoryData<string> CutNames =>
    [
        "two subprotocols, in the client's order", "LF alone after a header", "CR alone in a value", "both lengths, CL first", "no key",
        "a TLS hello",
    ];

    [Theory]
    [MemberData(nameof(AcceptedNames))]
    public Task Is_accepted(string name) => RunAsync(name, (client, request) => client.WriteAsync(request));

    [Theory]
    [MemberData(nameof(RefusedNames))]
    public Task Is_refused(string name) => RunAsync(name, (client, request) => client.WriteAsync(request));

    [Theory]
    [MemberData(nameof(CutNames))]
    public async Task Is_answered_alike_wherever_it_is_cut(string name)
    {
        int length = Math.Min(RequestOf(name).Length, 200);
        for (int cut = 1; cut < length; cut++)
        {
            await RunAsync(name, async (client, request) =>
            {
                await client.WriteAsync(request[..cut]);
                await client.WriteAsync(request[cut..]);
            });
        }
    }

    [Theory]
    [MemberData(nameof(CutNames))]
    public Task Is_answered_alike_when_it_comes_byte_by_byte(string name) =>
        RunAsync(name, (client, request) => client.WriteInPiecesAsync(Encoding.Latin1.GetBytes(request), 1));

    [Fact]
    public void The_battery_has_more_than_200_requests_each_of_its_own()
    {
        string[] requests =
            [.. HandshakeBattery.Accepted.Select(one => one.Request), .. HandshakeBattery.Refused.Select(one => one.Request)];
        Assert.True(requests.Length > 200, $"There are {requests.Length}.");
        Assert.Equal(requests.Length, requests.Distinct(StringComparer.Ordinal).Count());
    }

    [Fact]
    public async Task Frames_right_behind_the_request_are_answered_behind_the_acceptance()
    {
        await using RawClient client = await server.ConnectAsync();
        await client.WriteAsync((byte[])
        [
            .. Encoding.Latin1.GetBytes(RawClient.Request()),
            .. ClientFrame.Join(ClientFrame.Text("early"), ClientFrame.Ping("bird"), ClientFrame.Close(1000)),
        ]);

        await client.ReadAcceptanceAsync();
        Assert.Equal("text 5 B", $"{await client.ReadAsync()}");
        Assert.Equal("Pong 4 B", $"{await client.ReadAsync()}");
        await client.AssertClosedAsync(1000);
    }

    [Fact]
    public async Task A_second_request_behind_an_accepted_one_is_a_broken_frame_and_no_request()
    {
        await using RawClient client = await server.ConnectAsync();
        await client.WriteAsync(RawClient.Request() + RawClient.Request());
        await client.ReadAcceptanceAsync();
        await client.AssertClosedAsync(1002); // 'G' is 0x47: a reserved bit, no FIN, opcode 7
    }

    [Fact]
    public async Task A_refusal_can_be_read_however_much_of_the_request_was_not_waited_for()
    {
        await using RawClient client = await server.ConnectAsync();
        await client.WriteAsync("NO\r\n");
        await client.WriteAsync(new byte[1 << 20]);
        Refusal.RequestLine.AssertIs(await client.ReadAnswerAsync(), toHead: false);
        Assert.Equal(ConnectionEnd.Fin, await client.ReadEndAsync());
        await client.AssertReadsAwayAsync();
    }

    [Fact]
    public async Task A_request_that_ends_in_its_middle_gets_no_answer_and_a_FIN()
    {
        await using RawClient client = await server.ConnectAsync();
        await client.WriteAsync("GET / HTTP/1.1\r\nHost: local");
        client.HalfClose();
        Assert.Equal(ConnectionEnd.Fin, await client.ReadEndAsync());
    }

    [Fact]
    public async Task A_client_that_only_connects_and_leaves_gets_a_FIN()
    {
        await using RawClient client = await server.ConnectAsync();
        client.HalfClose();
        Assert.Equal(ConnectionEnd.Fin, await client.ReadEndAsync());
    }

    private static string RequestOf(string name) =>
        HandshakeBattery.Accepted.Where(one => one.Name == name).Select(one => one.Request)
            .Concat(HandshakeBattery.Refused.Where(one => one.Name == name).Select(one => one.Request)).Single();

    private async Task RunAsync(string name, Func<RawClient, string, Task> sendAsync)
    {
        string request = RequestOf(name);
        await using RawClient client = await server.ConnectAsync();
        await sendAsync(client, request);
        bool toHead = request.StartsWith("HEAD ", StringComparison.Ordinal);
        HttpAnswer answer = await client.ReadAnswerAsync(toHead);
        if (HandshakeBattery.Refused.SingleOrDefault(one => one.Name == name).Answer is { } refusal)
        {
            refusal.AssertIs(answer, toHead);
            Assert.Equal(ConnectionEnd.Fin, await client.ReadEndAsync());
        }
        else
        {
            AssertAccepts(answer, KeyIn(request), HandshakeBattery.Accepted.Single(one => one.Name == name).Subprotocol);
            await client.SendAsync(ClientFrame.Close(1000));
            await client.AssertClosedAsync(1000);
        }
    }

    private static void AssertAccepts(HttpAnswer answer, string key, string? subprotocol)
    {
        Assert.Equal("HTTP/1.1 101 Switching Protocols", answer.StatusLine);
        (string, string)[] headers = [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", AcceptFor(key))];
        Assert.Equal(
            subprotocol is null ? headers : [.. headers, ("Sec-WebSocket-Protocol", subprotocol)],
            answer.Headers.Select(header => (header.Key, header.Value)));
    }

    private static string KeyIn(string request)
    {
        const string name = "Sec-WebSocket-Key:";
        int at = request.IndexOf(name, StringComparison.OrdinalIgnoreCase) + name.Length;
        return request[at..request.IndexOf('\r', at)].Trim();
    }

    [SuppressMessage("Security", "CA5350", Justification = "RFC 6455 asks for SHA-1.")]
    private static string AcceptFor(string key) =>
        Convert.ToBase64String(SHA1.HashData(Encoding.ASCII.GetBytes(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")));

    private static TheoryDataRow<string> Row(string name) => new(name);
}
