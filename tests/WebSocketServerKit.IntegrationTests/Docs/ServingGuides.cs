using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;

namespace WebSocketServerKit.Docs;

/// <summary>The C# of docs/tls.md, docs/proxies.md and docs/compression.md, so that it compiles.</summary>
internal static class ServingGuides
{
    public static void Certificate()
    {
        WebSocketServerOptions options = new();
        options.Listen("https://*:8443", TlsOptions.FromPem("fullchain.pem", "privkey.pem")); // clients connect to wss://
    }

    public static void Names(WebSocketServerOptions options, string password)
    {
        TlsOptions tls = TlsOptions.FromPem("fullchain.pem", "privkey.pem");
        tls.ServerNames["chat.example.org"] = TlsOptions.FromPfx("chat.pfx", password);
        tls.ServerNames["*.example.net"] = TlsOptions.FromPem("wildcard.pem", "wildcard.key");
        options.Listen("https://*:8443", tls);
    }

    public static TlsOptions ClientCertificates(WebSocketServer server)
    {
        X509Certificate2 authority = X509CertificateLoader.LoadCertificateFromFile("devices-ca.pem");
        TlsOptions tls = TlsOptions.FromPem("fullchain.pem", "privkey.pem");
        tls.ClientCertificates = ClientCertificateMode.Required;
        tls.ValidateClientCertificates((_, certificate, _, _) =>
        {
            using X509Chain chain = new();
            chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
            chain.ChainPolicy.CustomTrustStore.Add(authority); // intermediate ones go to ExtraStore
            chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
            return chain.Build((X509Certificate2)certificate!);
        });
        server.OnConnected((client, _) => client.SendAsync($"hello {client.Tls!.ClientCertificate!.Subject}"));
        return tls;
    }

    public static async Task OwnTlsAsync(WebSocketServer server, TcpClient accepted, X509Certificate2 certificate)
    {
        SslStream stream = new(accepted.GetStream()); // a TcpClient
        await stream.AuthenticateAsServerAsync(certificate).WaitAsync(TimeSpan.FromSeconds(10)); // throws if the client speaks no TLS
        await server.AcceptAsync(stream, new AcceptOptions { RemoteEndPoint = accepted.Client.RemoteEndPoint, LocalEndPoint = accepted.Client.LocalEndPoint, IsSecure = true });
    }

    public static WebSocketServerOptions Proxied()
    {
        WebSocketServerOptions options = new()
        {
            Urls = ["http://127.0.0.1:8080"],
            TrustedProxies = ["127.0.0.1"],                      // the addresses from which the proxy connects
            ForwardedHeaders = ForwardedHeaderKind.XForwarded,   // where it tells who the client is
            AllowedHosts = ["app.example.com"],                  // the names that clients use
        };
        return options;
    }

    public static WebSocketServerOptions Compressed()
    {
        WebSocketServerOptions options = new() { Urls = ["http://127.0.0.1:8080"], PerMessageDeflate = new PerMessageDeflateOptions() };
        return options;
    }

    public static async Task SecretAsync(WebSocketClient client, string token)
    {
        await client.SendAsync(token, SendOptions.Uncompressed);
    }
}
