using System.Reflection;

namespace WebSocketServerKit.Diagnostics;

/// <summary>The version of a package, which its meter and its traces tell.</summary>
internal static class PackageVersion
{
    /// <summary>Without the commit. The version of the assembly itself has the major number alone.</summary>
    public static string? Of(Assembly assembly) => assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0];
}
