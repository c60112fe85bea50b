namespace WebSocketServerKit.Connections.Sending;

public sealed class SendOutcomeTests
{
    [Fact]
    public void What_is_sent_or_queued_is_accepted_and_nothing_else() =>
        Assert.Equal([SendOutcome.Sent, SendOutcome.Queued], Enum.GetValues<SendOutcome>().Where(outcome => outcome.IsAccepted));
}
