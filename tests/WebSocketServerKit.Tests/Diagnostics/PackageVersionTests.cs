using System.Reflection;

namespace WebSocketServerKit.Diagnostics;

public sealed class PackageVersionTests
{
    [Fact]
    public void It_is_that_of_the_package_without_the_commit()
    {
        Assembly assembly = typeof(WebSocketServer).Assembly;
        string version = PackageVersion.Of(assembly)!;
        Assert.Matches(@"^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$", version);
        Assert.StartsWith(version, assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion, StringComparison.Ordinal);
        Assert.NotEqual("0.0.0", version, StringComparer.Ordinal);
    }
}
