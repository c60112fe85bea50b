namespace WebSocketServerKit.Architecture;

internal static class Findings
{
    /// <summary>Fails with all that was found, one a line.</summary>
    public static void AssertNone(IEnumerable<string> findings)
    {
        string[] all = [.. findings];
        Assert.True(all.Length == 0, string.Join(Environment.NewLine, all));
    }
}
