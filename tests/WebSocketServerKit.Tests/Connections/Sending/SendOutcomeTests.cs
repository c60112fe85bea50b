namespace WebSocketServerKit.Connections.Sending;

public sealed class SendOutcomeTests
{
    [Fact]
    public void What_is_sent_queued_or_in_place_of_another_is_accepted_and_nothing_else() =>
        Assert.Equal([SendOutcome.Sent, SendOutcome.Queued, SendOutcome.Replaced], Enum.GetValues<SendOutcome>().Where(outcome => outcome.IsAccepted));
}
