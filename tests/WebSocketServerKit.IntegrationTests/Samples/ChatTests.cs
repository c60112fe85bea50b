using System.Net;
using System.Net.WebSockets;
using System.Text.Json;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Samples;

/// <summary><c>samples/Chat</c>.</summary>
public class ChatTests
{
    [Fact]
    public async Task Who_enters_a_room_gets_its_history_and_everybody_there_sees_who_is_present()
    {
        await using SampleProcess chat = await SampleProcess.StartAsync("Chat", "--url", "http://127.0.0.1:0");
        string url = chat.Told("Chat: ") + "/chat?name=";
        await using JsonClient ann = await JsonClient.ConnectAsync(url + "Ann");
        Assert.Equal(["lobby", "random", "help"], Texts((await ann.NextAsync("rooms")).GetProperty("rooms")));
        await ann.SendAsync("""{"room":"lobby","enter":true}""");
        Assert.Equal(["Ann"], Texts((await ann.NextAsync("present")).GetProperty("present")));
        await ann.SendAsync("""{"room":"lobby","text":"hi"}""");
        Assert.Equal("hi", (await ann.NextAsync("text")).GetProperty("text").GetString());

        await using (JsonClient bob = await JsonClient.ConnectAsync(url + "Bob"))
        {
            await bob.SendAsync("""{"room":"lobby","text":"not in the room"}""");
            await bob.SendAsync("""{"room":"lobby","enter":true}""");
            JsonElement past = await bob.NextAsync("text");
            Assert.Equal(("Ann", "hi"), (past.GetProperty("from").GetString(), past.GetProperty("text").GetString()));
            Assert.Equal(["Ann", "Bob"], Texts((await ann.NextAsync("present")).GetProperty("present")));
            await bob.SendAsync("""{"room":"lobby","text":"hello Ann"}""");
            Assert.Equal("hello Ann", (await ann.NextAsync("text")).GetProperty("text").GetString());
        }

        Assert.Equal(["Ann"], Texts((await ann.NextAsync("present")).GetProperty("present")));
    }

    [Fact]
    public async Task A_client_without_a_name_and_one_that_speaks_no_JSON_are_refused()
    {
        await using SampleProcess chat = await SampleProcess.StartAsync("Chat", "--url", "http://127.0.0.1:0");
        string url = chat.Told("Chat: ") + "/chat";
        WebSocketException refused = await Assert.ThrowsAsync<WebSocketException>(() => JsonClient.ConnectAsync(url));
        Assert.Contains("400", refused.Message, StringComparison.Ordinal);
        await using JsonClient ann = await JsonClient.ConnectAsync(url + "?name=Ann");
        await ann.SendAsync("hello");
        Assert.Equal(1007, await ann.CloseCodeAsync());
    }

    [Fact]
    public async Task The_address_shows_a_page_and_the_stop_says_that_the_chat_restarts()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "It is stopped by a signal.");
        await using SampleProcess chat = await SampleProcess.StartAsync("Chat", "--url", "http://127.0.0.1:0", "--rooms", "one", "two");
        using HttpClient browser = new();
        HttpResponseMessage page = await browser.GetAsync(new Uri(chat.Told("Chat: ")), TestServer.Timely);
        Assert.Equal((HttpStatusCode.OK, "text/html"), (page.StatusCode, page.Content.Headers.ContentType!.MediaType));
        await using JsonClient ann = await JsonClient.ConnectAsync(chat.Told("Chat: ") + "/chat?name=Ann");
        Assert.Equal(["one", "two"], Texts((await ann.NextAsync("rooms")).GetProperty("rooms")));
        Task<int> closing = ann.CloseCodeAsync();
        await using (ann)
        {
            Task<string> stopping = chat.StopAsync();
            Assert.Equal(1012, await closing);
            await ann.DisposeAsync();
            await stopping;
        }
    }

    private static string[] Texts(JsonElement array) => [.. array.EnumerateArray().Select(item => item.GetString()!)];
}
