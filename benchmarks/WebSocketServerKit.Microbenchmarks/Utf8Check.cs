using System.Text;
using System.Text.Unicode;
using BenchmarkDotNet.Attributes;
using WebSocketServerKit.Protocol.Messages;

namespace WebSocketServerKit.Microbenchmarks;

/// <summary>The check of a text that comes in pieces, beside the framework's of a whole one.</summary>
public class Utf8Check
{
    private const int Size = 4096;

    private byte[] _text = [];
    private byte[][] _pieces = [];

    [Params("ASCII", "mixed", "CJK", "emoji")]
    public string Text { get; set; } = "";

    [GlobalSetup]
    public void Setup()
    {
        string sample = Text switch
        {
            "ASCII" => "The quick brown fox jumps over the lazy dog. ",
            "mixed" => "Grüße aus Köln, 10 € für 3 Äpfel; naïve café. ",
            "CJK" => "天地玄黃宇宙洪荒日月盈昃辰宿列張",
            _ => "😀🚀🌍🎉",
        };
        int length = Encoding.UTF8.GetByteCount(sample);
        _text = [.. Enumerable.Repeat(Encoding.UTF8.GetBytes(sample), Size / length).SelectMany(bytes => bytes)];
        // An odd size, so that most cuts fall into characters of several bytes.
        _pieces = [.. _text.Chunk(251)];
    }

    [Benchmark(Baseline = true)]
    public bool Framework() => Utf8.IsValid(_text);

    [Benchmark]
    public bool Whole()
    {
        Utf8Validator validator = default;
        return validator.Accepts(_text) && validator.EndsHere();
    }

    [Benchmark]
    public bool Cut()
    {
        Utf8Validator validator = default;
        foreach (byte[] piece in _pieces)
        {
            if (!validator.Accepts(piece))
                return false;
        }

        return validator.EndsHere();
    }
}
