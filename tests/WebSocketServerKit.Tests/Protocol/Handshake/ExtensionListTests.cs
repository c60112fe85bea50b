namespace WebSocketServerKit.Protocol.Handshake;

public sealed class ExtensionListTests
{
    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData(" ,\t, ")]
    [InlineData("a")]
    [InlineData("a,b")]
    [InlineData(", a , ,b,")]
    [InlineData("a;b")]
    [InlineData("a ; b = c\t;\td")]
    [InlineData("permessage-deflate; client_max_window_bits; server_max_window_bits=10, permessage-deflate")]
    [InlineData("a;b=\"c\"")]
    [InlineData("a; b=\"c\\d\" ; e, f")]
    public void Passes_what_the_grammar_allows(string? list) => Assert.True(ExtensionList.IsWellFormed(list));

    [Theory]
    [InlineData("a b")]
    [InlineData(";a")]
    [InlineData("=a")]
    [InlineData("a=b")]
    [InlineData("a;")]
    [InlineData("a;;b")]
    [InlineData("a;,b")]
    [InlineData("a;b=")]
    [InlineData("a;b=,c")]
    [InlineData("a;b==c")]
    [InlineData("a;b=c=d")]
    [InlineData("a;b=c d")]
    [InlineData("a(b)")]
    [InlineData("\"a\"")]
    [InlineData("a;\"b\"")]
    [InlineData("a;b=\"\"")]
    [InlineData("a;b=\"")]
    [InlineData("a;b=\"c")]
    [InlineData("a;b=\"c\\")]
    [InlineData("a;b=\"c\\\"")]
    [InlineData("a;b=\"c d\"")]
    [InlineData("a;b=\"c,d\"")]
    [InlineData("a;b=\"c\\\"d\"")]
    [InlineData("a;b=\"c\"d")]
    [InlineData("a\u00E9")]
    public void Refuses_everything_else(string list) => Assert.False(ExtensionList.IsWellFormed(list));

    [Fact]
    public void Tells_the_extensions_with_their_parameters_in_order()
    {
        List<Extension> found = ExtensionList.Parse(", a ; b = c;d ,, e; f=\"g\"; f=\"h\\i\" , e");
        Assert.Equal(["a b=c d=", "e f=g f=hi", "e"], found.Select(Describe), StringComparer.Ordinal);
        Assert.Null(found[0].Parameters[1].Value);
    }

    [Fact]
    public void Finds_nothing_in_no_list() => Assert.Empty(ExtensionList.Parse(default));

    private static string Describe(Extension extension) =>
        string.Join(' ', [extension.Name, .. extension.Parameters.Select(parameter => $"{parameter.Key}={parameter.Value}")]);
}
