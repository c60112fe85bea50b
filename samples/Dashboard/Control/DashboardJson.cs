using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace Dashboard.Control;

/// <summary>What page and server say to each other, as JSON.</summary>
[JsonSourceGenerationOptions(
    JsonSerializerDefaults.Web, RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true, AllowOutOfOrderMetadataProperties = true)]
[JsonSerializable(typeof(Command))]
[JsonSerializable(typeof(Reply))]
[JsonSerializable(typeof(Report))]
internal sealed partial class DashboardJson : JsonSerializerContext;

/// <summary>Writes and reads it.</summary>
internal static class Json
{
    // All of Unicode as it is: what is written here goes to JSON.parse, never into HTML.
    private static readonly JsonSerializerOptions Plain = new(DashboardJson.Default.Options) { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static byte[] Write<T>(T value) => JsonSerializer.SerializeToUtf8Bytes(value, (JsonTypeInfo<T>)Plain.GetTypeInfo(typeof(T)));

    /// <summary>Null if it is no command.</summary>
    public static Command? ReadCommand(ReadOnlySpan<byte> json)
    {
        try
        {
            return JsonSerializer.Deserialize(json, DashboardJson.Default.Command);
        }
        catch (Exception problem) when (problem is JsonException or NotSupportedException)
        {
            return null;
        }
    }
}
