using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Xunit.v3;

namespace WebSocketServerKit.TestKit;

/// <summary>The tests of the class, which inherits them, reach their servers over TLS.</summary>
[AttributeUsage(AttributeTargets.Class, Inherited = false)]
internal sealed class OverTlsAttribute : Attribute
{
    // Made once: a key is expensive.
    private static readonly Lazy<X509Certificate2> Made = new(() => TestAuthority.Root.Issue("localhost"));

    /// <summary>The versions of TLS that the clients speak. Default: the newest.</summary>
    public SslProtocols Protocols { get; init; }

    /// <summary>How servers listen with TLS.</summary>
    public static ListenOptions Listen => new() { Tls = TlsOptions.FromCertificate(Made.Value) };

    /// <summary>How the servers of the running test listen; null for the defaults, without TLS.</summary>
    public static ListenOptions? Server => Current is null ? null : Listen;

    /// <summary>How the clients of the running test speak TLS; null if they do not.</summary>
    public static SslClientAuthenticationOptions? Client => Current is not { } tls ? null : new()
    {
        TargetHost = "localhost",
        EnabledSslProtocols = tls.Protocols,
        RemoteCertificateValidationCallback = (_, certificate, _, _) => certificate!.Equals(Made.Value),
    };

    private static OverTlsAttribute? Current =>
        TestContext.Current.TestClass is IXunitTestClass test ? (OverTlsAttribute?)GetCustomAttribute(test.Class, typeof(OverTlsAttribute)) : null;
}
