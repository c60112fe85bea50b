namespace WebSocketServerKit.Protocol.Framing;

public sealed class FragmentationRulesTests
{
    private static readonly FrameHeader Text = Header(Opcode.Text, fin: true);
    private static readonly FrameHeader TextBegins = Header(Opcode.Text, fin: false);
    private static readonly FrameHeader BinaryBegins = Header(Opcode.Binary, fin: false);
    private static readonly FrameHeader GoesOn = Header(Opcode.Continuation, fin: false);
    private static readonly FrameHeader Ends = Header(Opcode.Continuation, fin: true);

    [Fact]
    public void A_message_may_be_one_frame()
    {
        FragmentationRules rules = new(maxFragments: 1);
        AssertPasses(ref rules, Text, Opcode.Text, inMessage: false);
        AssertPasses(ref rules, Header(Opcode.Binary, fin: true), Opcode.Binary, inMessage: false);
    }

    [Fact]
    public void Continuations_belong_to_the_message_that_began()
    {
        FragmentationRules rules = new(maxFragments: 3);
        Assert.False(rules.InMessage);
        AssertPasses(ref rules, TextBegins, Opcode.Text, inMessage: true);
        AssertPasses(ref rules, GoesOn, Opcode.Text, inMessage: true);
        AssertPasses(ref rules, Ends, Opcode.Text, inMessage: false);
        AssertPasses(ref rules, BinaryBegins, Opcode.Binary, inMessage: true);
        AssertPasses(ref rules, Ends, Opcode.Binary, inMessage: false);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Nothing_can_go_on_before_a_message_has_begun(bool fin)
    {
        FragmentationRules rules = new(maxFragments: 10);
        Assert.Equal(ProtocolViolation.NothingToContinue, rules.Check(Header(Opcode.Continuation, fin), out _));
    }

    [Fact]
    public void Nothing_can_go_on_after_a_message_has_ended()
    {
        FragmentationRules rules = new(maxFragments: 10);
        AssertPasses(ref rules, TextBegins, Opcode.Text, inMessage: true);
        AssertPasses(ref rules, Ends, Opcode.Text, inMessage: false);
        Assert.Equal(ProtocolViolation.NothingToContinue, rules.Check(Ends, out _));
    }

    [Theory]
    [InlineData(0x1, false)]
    [InlineData(0x1, true)]
    [InlineData(0x2, false)]
    [InlineData(0x2, true)]
    public void No_message_may_begin_inside_another(byte opcode, bool fin)
    {
        FragmentationRules rules = new(maxFragments: 10);
        AssertPasses(ref rules, TextBegins, Opcode.Text, inMessage: true);
        Assert.Equal(ProtocolViolation.MessageInterrupted, rules.Check(Header((Opcode)opcode, fin), out _));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void One_fragment_above_the_limit_is_too_many(bool fin)
    {
        FragmentationRules rules = new(maxFragments: 3);
        AssertPasses(ref rules, TextBegins, Opcode.Text, inMessage: true);
        AssertPasses(ref rules, GoesOn, Opcode.Text, inMessage: true);
        AssertPasses(ref rules, GoesOn, Opcode.Text, inMessage: true);
        Assert.Equal(ProtocolViolation.TooManyFragments, rules.Check(Header(Opcode.Continuation, fin), out _));
    }

    [Fact]
    public void Each_message_may_have_all_the_fragments()
    {
        FragmentationRules rules = new(maxFragments: 2);
        for (int message = 0; message < 5; message++)
        {
            AssertPasses(ref rules, TextBegins, Opcode.Text, inMessage: true);
            AssertPasses(ref rules, Ends, Opcode.Text, inMessage: false);
        }
    }

    private static void AssertPasses(ref FragmentationRules rules, FrameHeader header, Opcode messageOpcode, bool inMessage)
    {
        Assert.Equal(ProtocolViolation.None, rules.Check(header, out Opcode found));
        Assert.Equal((messageOpcode, inMessage), (found, rules.InMessage));
    }

    private static FrameHeader Header(Opcode opcode, bool fin) => new(opcode, fin, PayloadLength: 1, MaskingKey: 0, Size: 6);
}
