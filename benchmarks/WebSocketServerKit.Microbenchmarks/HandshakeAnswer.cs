using System.Buffers;
using System.Text;
using BenchmarkDotNet.Attributes;
using WebSocketServerKit.Buffers;
using WebSocketServerKit.Protocol.Handshake;

namespace WebSocketServerKit.Microbenchmarks;

/// <summary>From the bytes of a browser's request to those of the answer.</summary>
public class HandshakeAnswer
{
    private static readonly ReadOnlySequence<byte> Request = new(Encoding.ASCII.GetBytes(
        """
        GET /chat?room=7 HTTP/1.1
        Host: example.com:8080
        Connection: Upgrade
        Pragma: no-cache
        Cache-Control: no-cache
        User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36
        Upgrade: websocket
        Origin: http://example.com:8080
        Sec-WebSocket-Version: 13
        Accept-Encoding: gzip, deflate, br, zstd
        Accept-Language: en-US,en;q=0.9
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==
        Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits


        """.ReplaceLineEndings("\r\n")));

    private PooledBuffer _output = new(ArrayPool<byte>.Shared);

    [Benchmark]
    public bool ParseAndCheck() => HandshakeRules.Check(Parse()) == HandshakeViolation.None;

    [Benchmark]
    public int ParseCheckAndAnswer()
    {
        HandshakeRequest request = Parse();
        if (HandshakeRules.Check(request) != HandshakeViolation.None)
            throw new InvalidOperationException("The request is in order.");
        _output.Clear();
        HandshakeResponse.Accept().WriteHeadTo(ref _output, date: null, request.Key);
        return _output.Length;
    }

    private static HandshakeRequest Parse()
    {
        HandshakeRequestParser parser = new(maxHeadBytes: 8192, maxHeaderLines: 100);
        parser.Parse(Request, out _, out _);
        return parser.Request!;
    }
}
