using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace WebSocketServerKit.Serving;

public sealed partial class JsonPayloadTests
{
    private static string Text<T>(T value, JsonTypeInfo<T> typeInfo)
    {
        using JsonPayload json = JsonPayload.Of(value, typeInfo);
        return Encoding.UTF8.GetString(json.Written.Span);
    }

    [Fact]
    public void Writes_what_the_serializer_writes_with_the_same_options()
    {
        Item item = new("<grüße>", [1, 2], new Item("inner", [], null));
        JsonSerializerOptions[] all =
        [
            new(),
            new() { WriteIndented = true, IndentCharacter = '\t', IndentSize = 3, NewLine = "\r\n" },
            new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping },
            new() { PropertyNamingPolicy = JsonNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull },
        ];
        foreach (JsonSerializerOptions options in all)
        {
            JsonTypeInfo<Item> typeInfo = new ItemJson(options).Item;
            Assert.Equal(JsonSerializer.Serialize(item, typeInfo), Text(item, typeInfo));
            Assert.Equal(JsonSerializer.Serialize(item, typeInfo), Text(item, typeInfo)); // with the writer of before
        }

        Assert.Equal("null", Text(null!, ItemJson.Default.Item));
    }

    [Fact]
    public void A_value_as_deep_as_the_serializer_allows_is_written_and_a_deeper_one_is_not()
    {
        Assert.Equal(JsonSerializer.Serialize(Deep(63), ItemJson.Default.Item), Text(Deep(63), ItemJson.Default.Item));
        foreach ((int depth, JsonTypeInfo<Item> typeInfo) in ((int, JsonTypeInfo<Item>)[])[(70, ItemJson.Default.Item), (10, new ItemJson(new JsonSerializerOptions { MaxDepth = 5 }).Item)])
        {
            Exception? refusal = Record.Exception(() => JsonSerializer.Serialize(Deep(depth), typeInfo));
            Assert.NotNull(refusal);
            Assert.Equal(refusal.GetType(), Record.Exception(() => Text(Deep(depth), typeInfo))?.GetType());
        }

        static Item Deep(int depth) => new("x", [], depth == 1 ? null : Deep(depth - 1));
    }

    [Fact]
    public void A_large_value_is_written_whole()
    {
        Item item = new(new string('x', 3_000_000), [.. Enumerable.Range(0, 100_000)], null);
        Assert.Equal(JsonSerializer.Serialize(item, ItemJson.Default.Item), Text(item, ItemJson.Default.Item));
    }

    [Fact]
    public void What_a_converter_throws_comes_out_and_the_next_value_is_not_disturbed()
    {
        Assert.Equal("in the middle", Assert.Throws<InvalidDataException>(() => Text(new Odd(new InvalidDataException("in the middle")), ItemJson.Default.Odd)).Message);
        Assert.Equal("""{"Name":"x","Numbers":[],"Inner":null}""", Text(new Item("x", [], null), ItemJson.Default.Item));
    }

    [Fact]
    public void A_converter_may_write_another_value_meanwhile()
    {
        string inner = "";
        Assert.Equal("[1]", Text(new Odd(null, () => inner = Text(new Item("y", [2], null), ItemJson.Default.Item)), ItemJson.Default.Odd));
        Assert.Equal("""{"Name":"y","Numbers":[2],"Inner":null}""", inner);
        using JsonPayload outer = JsonPayload.Of(new Item("outer", [], null), ItemJson.Default.Item);
        Assert.Equal("""{"Name":"x","Numbers":[],"Inner":null}""", Text(new Item("x", [], null), ItemJson.Default.Item));
        Assert.Equal("""{"Name":"outer","Numbers":[],"Inner":null}""", Encoding.UTF8.GetString(outer.Written.Span));
    }

    [Fact]
    public void A_further_value_costs_no_memory_of_its_own()
    {
        Item item = new("x", [1, 2, 3], null);
        for (int i = 0; i < 100; i++)
            JsonPayload.Of(item, ItemJson.Default.Item).Dispose();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1000; i++)
            JsonPayload.Of(item, ItemJson.Default.Item).Dispose();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    internal sealed record Item(string Name, int[] Numbers, Item? Inner);

    [JsonConverter(typeof(OddConverter))]
    internal sealed record Odd(Exception? Failure, Action? Meanwhile = null);

    internal sealed class OddConverter : JsonConverter<Odd>
    {
        public override Odd Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => throw new NotSupportedException();

        public override void Write(Utf8JsonWriter writer, Odd value, JsonSerializerOptions options)
        {
            writer.WriteStartArray();
            writer.WriteNumberValue(1);
            value.Meanwhile?.Invoke();
            if (value.Failure is not null)
                throw value.Failure;
            writer.WriteEndArray();
        }
    }

    [JsonSerializable(typeof(Item))]
    [JsonSerializable(typeof(Odd))]
    internal sealed partial class ItemJson : JsonSerializerContext;
}
