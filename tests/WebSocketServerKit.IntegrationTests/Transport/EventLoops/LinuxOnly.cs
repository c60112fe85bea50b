using System.Runtime.Versioning;

namespace WebSocketServerKit.Transport.EventLoops;

/// <summary>What needs epoll.</summary>
internal static class LinuxOnly
{
    [SupportedOSPlatformGuard("linux")]
    public static void Demand() => Assert.SkipUnless(OperatingSystem.IsLinux(), "Needs Linux.");
}
