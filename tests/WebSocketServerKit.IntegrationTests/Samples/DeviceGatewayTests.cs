using System.Net;
using System.Net.WebSockets;
using System.Text.Json;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Samples;

/// <summary><c>samples/DeviceGateway</c>.</summary>
public class DeviceGatewayTests
{
    [Fact]
    public async Task A_question_by_HTTP_is_answered_by_the_device()
    {
        await using SampleProcess gateway = await SampleProcess.StartAsync("DeviceGateway", "--url", "http://127.0.0.1:0", "--devices", "2");
        string url = gateway.Told("Gateway: ");
        using HttpClient http = new();
        await WhenOnlineAsync(http, url, "device-1", "device-2");
        Assert.StartsWith("temperature of device-2 is ", await http.GetStringAsync(new Uri(url + "/device-2/temperature"), TestServer.Timely), StringComparison.Ordinal);
        HttpResponseMessage unknown = await http.GetAsync(new Uri(url + "/device-3/temperature"), TestServer.Timely);
        Assert.Equal((HttpStatusCode.NotFound, "This device is not online.\n"), (unknown.StatusCode, await unknown.Content.ReadAsStringAsync(TestServer.Timely)));
        HttpResponseMessage noQuestion = await http.GetAsync(new Uri(url + "/device-1"), TestServer.Timely);
        Assert.Equal((HttpStatusCode.NotFound, "Ask a device: GET /devices/{id}/{question}\n"), (noQuestion.StatusCode, await noQuestion.Content.ReadAsStringAsync(TestServer.Timely)));
    }

    [Fact]
    public async Task A_device_that_does_not_speak_JSON_is_the_fault_of_the_device()
    {
        await using SampleProcess gateway = await SampleProcess.StartAsync("DeviceGateway", "--url", "http://127.0.0.1:0");
        using HttpClient http = new();
        await using JsonClient device = await JsonClient.ConnectAsync(Connect(gateway), Token(gateway));
        Task<HttpResponseMessage> asked = http.GetAsync(new Uri(gateway.Told("Gateway: ") + "/device-0/state"), TestServer.Timely);
        await device.NextAsync("ask");
        await device.SendAsync("fine, thanks");
        Assert.Equal(HttpStatusCode.BadGateway, (await asked).StatusCode);
        Assert.Equal(1007, await device.CloseCodeAsync());
    }

    [Fact]
    public async Task A_device_without_a_valid_token_is_refused()
    {
        await using SampleProcess gateway = await SampleProcess.StartAsync("DeviceGateway", "--url", "http://127.0.0.1:0");
        string url = Connect(gateway);
        foreach (string? token in new[] { null, "x", Token(gateway) + "0", "device-0.1.00" })
        {
            WebSocketException refused = await Assert.ThrowsAsync<WebSocketException>(() => JsonClient.ConnectAsync(url, token));
            Assert.Contains("401", refused.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_device_that_connects_again_replaces_its_old_connection_and_one_that_leaves_in_the_middle_of_a_question_is_reported()
    {
        await using SampleProcess gateway = await SampleProcess.StartAsync("DeviceGateway", "--url", "http://127.0.0.1:0");
        using HttpClient http = new();
        await using JsonClient old = await JsonClient.ConnectAsync(Connect(gateway), Token(gateway));
        await WhenOnlineAsync(http, gateway.Told("Gateway: "), "device-0");
        Assert.Equal("device-0 is online", await gateway.NextLineAsync());
        JsonClient device = await JsonClient.ConnectAsync(Connect(gateway), Token(gateway));
        await Assert.ThrowsAsync<WebSocketException>(old.NextAsync);
        Assert.Equal("device-0 has connected again", await gateway.NextLineAsync());

        Task<HttpResponseMessage> asked = http.GetAsync(new Uri(gateway.Told("Gateway: ") + "/device-0/state"), TestServer.Timely);
        Assert.Equal("state", (await device.NextAsync("ask")).GetProperty("ask").GetString());
        await device.DisposeAsync();
        Assert.Equal(HttpStatusCode.BadGateway, (await asked).StatusCode);
        Assert.Equal("device-0 is offline: Closed", await gateway.NextLineAsync());
    }

    private static string Connect(SampleProcess gateway) => gateway.Told("A device connects to ").Split(' ')[0];

    private static string Token(SampleProcess gateway) => gateway.Told("A device connects to ").Split(' ')[^1];

    private static async Task WhenOnlineAsync(HttpClient http, string url, params string[] devices)
    {
        string[] online;
        do
        {
            JsonElement list = JsonDocument.Parse(await http.GetStringAsync(new Uri(url), TestServer.Timely)).RootElement;
            online = [.. list.EnumerateArray().Select(device => device.GetProperty("id").GetString()!).Order(StringComparer.Ordinal)];
        }
        while (!online.SequenceEqual(devices));
    }
}
