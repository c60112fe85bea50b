namespace WebSocketServerKit.Architecture;

public sealed class CSharpCodeTests
{
    [Theory]
    [InlineData("a // b\nc", "a \nc")]
    [InlineData("a /// <see cref=\"B\"/>", "a ")]
    [InlineData("a /* b\n\" // */ c", "a  c")]
    [InlineData("a \"b // c\" d", "a   d")]
    [InlineData("a \"\" b", "a   b")]
    [InlineData("""a "b \" c \\" d""", "a   d")]
    [InlineData("a @\"b\\\" c", "a   c")]
    [InlineData("a @\"b \"\" c\" d", "a   d")]
    [InlineData("a \"\"\"b \" c\"\"\" d", "a   d")]
    [InlineData("a '\"' b '\\'' c '\\\\' d '\\u0041' e", "a  b  c  d  e")]
    [InlineData("a $\"b {C.D} e\" f", "a  C.D  f")]
    [InlineData("a $\"b {{c}} {D}\" e", "a  D  e")]
    [InlineData("a $\"b {(c ? \"d\" : $\"{E}\")} f\" g", "a  (c ?   :  E )  g")]
    [InlineData("a $\"{new A { B = 1 }}\" c", "a  new A { B = 1 }  c")]
    [InlineData("a $@\"b \"\" {C} \\\" d", "a  C  d")]
    [InlineData("a $$\"\"\"b {c} {{D}} \" \"\"\" e", "a  D  e")]
    [InlineData("a // to the end", "a ")]
    public void Leaves_only_the_code(string source, string code) => Assert.Equal(code, CSharpCode.In(source));
}
