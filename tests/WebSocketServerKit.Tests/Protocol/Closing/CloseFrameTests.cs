using System.Text;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Protocol.Closing;

public sealed class CloseFrameTests
{
    // RFC 6455 7.4.1 and the registry of 11.7: defined, neither reserved nor of those that "MUST NOT be set as a status code in a Close
    // control frame".
    private static readonly HashSet<int> AllowedBelow3000 = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014];

    public static TheoryData<int> RefusedCodes { get; } = [-1, 0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535, 65_536 + 1000];

    [Fact]
    public void Allows_the_codes_that_the_RFC_and_its_registry_allow_and_no_others()
    {
        for (int code = -1; code <= 70_000; code++)
            if (CloseFrame.IsAllowed((CloseCode)code) != IsAllowedByTheRfc(code))
                Assert.Fail($"{code}");
    }

    [Fact]
    public void Parses_every_allowed_code_and_refuses_every_other()
    {
        for (int code = 0; code <= 65_535; code++)
        {
            ProtocolViolation violation = CloseFrame.Parse(Frames.ClosePayload(code), out CloseCode parsed, out string reason);
            bool asItShould = IsAllowedByTheRfc(code)
                ? (violation, (int)parsed) == (ProtocolViolation.None, code)
                : (violation, (int)parsed) == (ProtocolViolation.InvalidCloseCode, 1005);
            if (!asItShould || reason.Length > 0)
                Assert.Fail($"{code}: {violation}, {parsed}");
        }
    }

    [Fact]
    public void No_body_is_no_code()
    {
        Assert.Equal(ProtocolViolation.None, CloseFrame.Parse([], out CloseCode code, out string reason));
        Assert.Equal((1005, ""), ((int)code, reason));
    }

    [Fact]
    public void Half_a_code_is_refused()
    {
        Assert.Equal(ProtocolViolation.CloseFrameTooShort, CloseFrame.Parse([3], out CloseCode code, out string reason));
        Assert.Equal((CloseCode.NoStatusReceived, ""), (code, reason));
    }

    [Theory]
    [InlineData("bye")]
    [InlineData("auf Wiedersehen, schöne Grüße 👋")]
    [InlineData("\0")]
    public void Parses_the_reason(string text)
    {
        byte[] payload = Frames.ClosePayload(1000, Encoding.UTF8.GetBytes(text));
        Assert.Equal(ProtocolViolation.None, CloseFrame.Parse(payload, out CloseCode code, out string reason));
        Assert.Equal((CloseCode.NormalClosure, text), (code, reason));
    }

    [Fact]
    public void Parses_the_longest_reason()
    {
        string text = new('x', 123);
        CloseFrame.Parse(Frames.ClosePayload(4999, Encoding.UTF8.GetBytes(text)), out _, out string reason);
        Assert.Equal(text, reason);
    }

    [Theory]
    [InlineData("FF")]
    [InlineData("C3")]         // cut
    [InlineData("C080")]       // overlong
    [InlineData("61EDA08062")] // a surrogate
    public void Refuses_a_reason_that_is_not_UTF8(string hex)
    {
        byte[] payload = Frames.ClosePayload(1000, Convert.FromHexString(hex));
        Assert.Equal(ProtocolViolation.InvalidCloseReason, CloseFrame.Parse(payload, out CloseCode code, out string reason));
        Assert.Equal((CloseCode.NoStatusReceived, ""), (code, reason));
    }

    [Fact]
    public void Names_the_code_before_the_reason_when_both_are_wrong() =>
        Assert.Equal(ProtocolViolation.InvalidCloseCode, CloseFrame.Parse(Frames.ClosePayload(1006, [0xFF]), out _, out _));

    [Theory]
    [InlineData(1000, "", "03E8")]
    [InlineData(1001, "bye", "03E9627965")]
    [InlineData(4999, "ü", "1387C3BC")]
    public void Writes_code_and_reason(int code, string reason, string hex)
    {
        byte[] destination = new byte[125];
        int length = CloseFrame.Write(destination, (CloseCode)code, reason);
        Assert.Equal(hex, Convert.ToHexString(destination.AsSpan(0, length)));
    }

    [Fact]
    public void Writes_nothing_for_no_code() => Assert.Equal(0, CloseFrame.Write([], CloseCode.NoStatusReceived, ""));

    [Fact]
    public void What_passes_the_check_fits_and_is_parsed_again()
    {
        string longest = string.Concat(Enumerable.Repeat("é", 61)) + "x"; // 123 bytes
        CloseFrame.Check(CloseCode.NormalClosure, longest);
        byte[] destination = new byte[125];
        Assert.Equal(125, CloseFrame.Write(destination, CloseCode.NormalClosure, longest));
        Assert.Equal(ProtocolViolation.None, CloseFrame.Parse(destination, out CloseCode code, out string reason));
        Assert.Equal((CloseCode.NormalClosure, longest), (code, reason));
    }

    [Theory]
    [MemberData(nameof(RefusedCodes))]
    public void The_check_refuses_a_code_that_must_not_be_sent_and_names_those_that_may(int code)
    {
        var refusal = Assert.Throws<ArgumentOutOfRangeException>(() => CloseFrame.Check((CloseCode)code, ""));
        Assert.Equal(("code", (object?)(CloseCode)code), (refusal.ParamName, refusal.ActualValue));
        Assert.Contains("1000 (normal), 1001 to 1003, 1007 to 1014", refusal.Message, StringComparison.Ordinal);
        Assert.Contains("3000 to 4999", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_check_passes_every_allowed_code()
    {
        foreach (int code in Enumerable.Range(0, 65_536).Where(IsAllowedByTheRfc))
            CloseFrame.Check((CloseCode)code, "");
    }

    [Fact]
    public void The_check_counts_the_bytes_of_the_reason_and_tells_them()
    {
        string reason = string.Concat(Enumerable.Repeat("é", 62)); // 124 bytes
        var refusal = Assert.Throws<ArgumentException>(() => CloseFrame.Check(CloseCode.NormalClosure, reason));
        Assert.Equal("reason", refusal.ParamName);
        Assert.Contains("124 bytes", refusal.Message, StringComparison.Ordinal);
        Assert.Contains("123", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_codes_that_are_only_reported_are_those_of_7_4_1() =>
        Assert.Equal((1005, 1006), ((int)CloseCode.NoStatusReceived, (int)CloseCode.AbnormalClosure));

    private static bool IsAllowedByTheRfc(int code) => AllowedBelow3000.Contains(code) || (code >= 3000 && code < 5000);
}
