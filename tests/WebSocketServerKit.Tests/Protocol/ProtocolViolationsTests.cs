using System.Net.WebSockets;
using System.Text;
using WebSocketServerKit.Protocol.Closing;

namespace WebSocketServerKit.Protocol;

public sealed class ProtocolViolationsTests
{
    // The sections of RFC 6455 that oblige a server to check what a client sends once the connection is open.
    private static readonly string[] Sections = ["5.1", "5.2", "5.4", "5.5", "5.5.1", "7.4", "7.4.1", "8.1", "10.4"];

    private static readonly ProtocolViolation[] Broken = [.. Enum.GetValues<ProtocolViolation>().Except([ProtocolViolation.None])];

    [Fact]
    public void Has_a_close_code_for_each_rule_that_may_be_sent() =>
        Assert.All(Broken, violation => Assert.True(CloseFrame.IsAllowed(violation.Describe().Code)));

    [Fact]
    public void Has_a_reason_for_each_rule_that_fits_into_a_close_frame() =>
        Assert.All(Broken, violation => Assert.InRange(Encoding.UTF8.GetByteCount(violation.Describe().Reason), 1, 123));

    [Fact]
    public void Tells_each_rule_in_words_of_its_own()
    {
        string[] reasons = [.. Broken.Select(violation => violation.Describe().Reason)];
        Assert.Equal(reasons.Length, reasons.Distinct(StringComparer.Ordinal).Count());
    }

    [Fact]
    public void Names_the_section_of_each_rule() =>
        Assert.All(Broken, violation => Assert.Contains(violation.Describe().Section, Sections, StringComparer.Ordinal));

    [Theory]
    [InlineData(nameof(ProtocolViolation.TooManyFragments), WebSocketCloseStatus.PolicyViolation)]
    [InlineData(nameof(ProtocolViolation.MessageTooBig), WebSocketCloseStatus.MessageTooBig)]
    [InlineData(nameof(ProtocolViolation.InvalidUtf8), WebSocketCloseStatus.InvalidPayloadData)]
    [InlineData(nameof(ProtocolViolation.InvalidCompressedData), WebSocketCloseStatus.InvalidPayloadData)]
    [InlineData(nameof(ProtocolViolation.InvalidCloseReason), WebSocketCloseStatus.InvalidPayloadData)]
    public void Has_the_close_code_that_7_4_1_has_for_the_case(string violation, WebSocketCloseStatus code) =>
        Assert.Equal(code, Enum.Parse<ProtocolViolation>(violation).Describe().Code);

    [Fact]
    public void Answers_all_others_with_1002()
    {
        CloseCode[] codes = [.. Broken.Select(violation => violation.Describe().Code)];
        Assert.Equal(Broken.Length - 5, codes.Count(code => code == WebSocketCloseStatus.ProtocolError));
    }

    [Fact]
    public void Has_no_answer_when_no_rule_is_broken() =>
        Assert.Throws<ArgumentOutOfRangeException>(() => ProtocolViolation.None.Describe());
}
