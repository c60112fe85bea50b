using System.Net;
using System.Net.Sockets;
using System.Text;
using WebSocketServerKit.Conformance.Rules;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.Raw;

namespace WebSocketServerKit.TestKit;

/// <summary>
/// The raw client as these tests speak with it: in opcodes and in assertions. Every byte that it sends is the test's, and every byte that it receives is checked as strictly as RFC 6455 allows.
/// Not thread-safe, but one may read while another writes.
/// </summary>
internal sealed class TestClient : IDisposable
{
    public const string Key = Raw.RawClient.Key;

    private readonly Raw.RawClient _client;

    private TestClient(Raw.RawClient client) => _client = client;

    public IPEndPoint LocalEndPoint => _client.LocalEndPoint;

    /// <summary>A TCP connection, with TLS if the test's class says so, and nothing more.</summary>
    public static async Task<TestClient> ConnectAsync(IPEndPoint endPoint, int? receiveBuffer = null) =>
        new(await Raw.RawClient.ConnectAsync(endPoint, receiveBuffer, OverTlsAttribute.Client));

    /// <summary>A WebSocket connection, its handshake done and checked.</summary>
    public static async Task<TestClient> OpenAsync(IPEndPoint endPoint, string target = "/", int? receiveBuffer = null)
    {
        TestClient client = await ConnectAsync(endPoint, receiveBuffer);
        await client.WriteAsync(Request(target));
        await client._client.ReadAcceptanceAsync();
        return client;
    }

    public static byte[] Request(string target = "/", params string[] headers) => Encoding.Latin1.GetBytes(Raw.RawClient.Request(target, headers));

    public static byte[] Frame(Opcode opcode, ReadOnlySpan<byte> payload, bool fin = true, bool masked = true) =>
        new ClientFrame((byte)opcode, payload.ToArray()) { Fin = fin, Masked = masked }.ToBytes();

    public static byte[] Text(string text) => ClientFrame.Text(text).ToBytes();

    public static byte[] Close(int code, string reason = "") => ClientFrame.Close(code, reason).ToBytes();

    public Task WriteAsync(ReadOnlyMemory<byte> bytes) => _client.WriteAsync(bytes);

    public Task SendAsync(string text) => WriteAsync(Text(text));

    public Task SendAsync(byte[] payload) => WriteAsync(Frame(Opcode.Binary, payload));

    public Task SendCloseAsync(int code, string reason = "") => WriteAsync(Close(code, reason));

    /// <summary>The next HTTP answer; the body of an answer to HEAD is announced and does not come.</summary>
    public async Task<ReceivedAnswer> ReadAnswerAsync(bool toHead = false) => ReceivedAnswer.Of(await WithResets(_client.ReadAnswerAsync(toHead)));

    /// <summary>The next frame, which has to keep every rule for frames of a server.</summary>
    public async ValueTask<ReceivedFrame> ReadFrameAsync()
    {
        Raw.ServerFrame? frame = await WithResets(_client.ReadFrameAsync());
        Assert.True(frame is not null, "The connection ended before a frame.");
        return frame.Opcode == ClientFrame.CloseOpcode
            ? new ReceivedFrame(Opcode.Close, frame.Fin, frame.Payload.ToArray(), frame.CloseCode, frame.CloseReason)
            : new ReceivedFrame((Opcode)frame.Opcode, frame.Fin, frame.Payload.ToArray(), 0, "");
    }

    public async Task<string> ReadTextAsync()
    {
        ReceivedFrame frame = await ReadFrameAsync();
        Assert.Equal(Opcode.Text, frame.Opcode);
        return frame.Text;
    }

    /// <summary>The server's Close frame: the last of its bytes.</summary>
    public Task AssertClosedAsync(int code, string? reason = null) => _client.AssertClosedAsync(code, reason);

    /// <summary>The server ended its side without sending anything more, and without a reset.</summary>
    public async Task AssertEndAsync() => Assert.Equal(ConnectionEnd.Fin, await _client.ReadEndAsync());

    /// <summary>The server cut the connection.</summary>
    public async Task AssertResetAsync() => Assert.Equal(ConnectionEnd.Reset, await _client.SkipToEndAsync());

    /// <summary>Reads whatever comes, this many bytes of it.</summary>
    public Task SkipAsync(long count) => WithResets(_client.SkipAsync(count));

    /// <summary>The next bytes, whatever they are.</summary>
    public Task<byte[]> ReadBytesAsync(int count) => WithResets(_client.ReadBytesAsync(count));

    /// <summary>Throws away whatever comes until the server ends the connection, cleanly or not.</summary>
    public Task SkipToEndAsync() => _client.SkipToEndAsync();

    /// <summary>Answers a Close frame, waits for the end and goes.</summary>
    public async Task LeaveAsync()
    {
        await SendCloseAsync(1000);
        while ((await ReadFrameAsync()).Opcode != Opcode.Close)
        {
        }

        await AssertEndAsync();
        Dispose();
    }

    /// <summary>Ends its own side and goes on reading.</summary>
    public void HalfClose() => _client.HalfClose();

    /// <summary>Ends with a RST.</summary>
    public void Reset() => _client.Reset();

    public void Dispose() => _client.Dispose();

    // Some tests take a reset for an answer.
    private async Task<T> WithResets<T>(Task<T> reading)
    {
        try
        {
            T read = await reading;
            if (read is not null || _client.End != ConnectionEnd.Reset)
                return read;
        }
        catch (InvalidDataException) when (_client.End == ConnectionEnd.Reset)
        {
            // Told below.
        }

        throw new SocketException((int)SocketError.ConnectionReset);
    }
}
