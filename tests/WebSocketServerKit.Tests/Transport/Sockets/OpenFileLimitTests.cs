namespace WebSocketServerKit.Transport.Sockets;

public sealed class OpenFileLimitTests
{
    private const string Limits =
        """
        Limit                     Soft Limit           Hard Limit           Units     
        Max cpu time              unlimited            unlimited            seconds   
        Max processes             96365                96365                processes 
        Max open files            1024                 524288               files     
        Max locked memory         8388608              8388608              bytes     

        """;

    [Fact]
    public void The_soft_limit_is_the_one_that_holds() => Assert.Equal(1024, OpenFileLimit.Parse(Limits));

    [Theory]
    [InlineData("Max open files            20000                20000                files     ", 20_000L)]
    [InlineData("Max open files            1073741816           1073741816           files     \n", 1_073_741_816L)]
    [InlineData("Max open files            7", 7L)]
    [InlineData("Max open files            unlimited            unlimited            files     ", null)]
    [InlineData("Max open files            -1                   -1                   files     ", null)]
    [InlineData("Max open files", null)]
    [InlineData("Max processes             96365                96365                processes ", null)]
    [InlineData("", null)]
    public void What_is_no_limit_is_none(string limits, long? limit) => Assert.Equal(limit, OpenFileLimit.Parse(limits));

    [Fact]
    public void On_Linux_this_process_has_one_and_elsewhere_none_is_known()
    {
        long? limit = OpenFileLimit.Read();
        if (OperatingSystem.IsLinux())
            Assert.InRange(limit!.Value, 1, long.MaxValue);
        else
            Assert.Null(limit);
    }
}
