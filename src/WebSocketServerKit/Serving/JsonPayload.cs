using System.Buffers;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using WebSocketServerKit.Buffers;

namespace WebSocketServerKit.Serving;

/// <summary>
/// A value as JSON, in UTF-8 and in a pooled buffer. Each thread keeps one object and its writer for the next value; the buffer goes back to the pool each time. Dispose of it on the thread that has
/// made it, and do not use it after that.
/// </summary>
internal sealed class JsonPayload : IBufferWriter<byte>, IDisposable
{
    // What the serializer uses if its options do not say.
    private const int DefaultMaxDepth = 64;

    [ThreadStatic]
    private static JsonPayload? _kept;

    private PooledBuffer _bytes = new(ArrayPool<byte>.Shared);
    private Utf8JsonWriter? _writer;
    private JsonSerializerOptions? _options; // those that the writer was made for

    private JsonPayload()
    {
    }

    public ReadOnlyMemory<byte> Written => _bytes.Written;

    /// <summary>Writes a value. What the serializer throws comes out, and the buffer is back in the pool then.</summary>
    public static JsonPayload Of<T>(T value, JsonTypeInfo<T> typeInfo)
    {
        ArgumentNullException.ThrowIfNull(typeInfo);
        JsonPayload payload = _kept ?? new JsonPayload();
        _kept = null; // a converter may send a message of its own
        try
        {
            Utf8JsonWriter writer = payload.WriterFor(typeInfo.Options);
            JsonSerializer.Serialize(writer, value, typeInfo);
            writer.Flush();
            return payload;
        }
        catch
        {
            payload.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        _bytes.Release();
        _kept = this;
    }

    void IBufferWriter<byte>.Advance(int count) => _bytes.Advance(count);

    Memory<byte> IBufferWriter<byte>.GetMemory(int sizeHint) => _bytes.GetMemory(Math.Max(sizeHint, 1));

    Span<byte> IBufferWriter<byte>.GetSpan(int sizeHint) => _bytes.GetSpan(Math.Max(sizeHint, 1));

    private Utf8JsonWriter WriterFor(JsonSerializerOptions options)
    {
        if (_writer is not null && _options == options)
        {
            _writer.Reset(this);
            return _writer;
        }

        _options = options;
        return _writer = new Utf8JsonWriter(this, new JsonWriterOptions
        {
            Encoder = options.Encoder,
            Indented = options.WriteIndented,
            IndentCharacter = options.IndentCharacter,
            IndentSize = options.IndentSize,
            NewLine = options.NewLine,
            MaxDepth = options.MaxDepth == 0 ? DefaultMaxDepth : options.MaxDepth,
            SkipValidation = true, // as the serializer does with writers of its own
        });
    }
}
