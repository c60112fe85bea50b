using System.Text.Json.Serialization;

namespace Dashboard.Served;

/// <summary>Whether and where the server listens.</summary>
/// <param name="Status">What it does.</param>
/// <param name="Address">Where it listens, such as <c>127.0.0.1:8080</c>; empty when it is closed.</param>
/// <param name="Since">Since when, in Unix milliseconds; 0 when it is closed.</param>
/// <param name="Scheme"><c>ws</c>, or <c>wss</c> for TLS.</param>
internal sealed record EndpointState(EndpointStatus Status, string Address = "", long Since = 0, string Scheme = "ws");

[JsonConverter(typeof(JsonStringEnumConverter<EndpointStatus>))]
internal enum EndpointStatus
{
    [JsonStringEnumMemberName("closed")] Closed,
    [JsonStringEnumMemberName("open")] Open,
    [JsonStringEnumMemberName("closing")] Closing,
}
