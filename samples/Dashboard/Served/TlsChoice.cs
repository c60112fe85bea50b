using Dashboard.Control;
using WebSocketServerKit;

namespace Dashboard.Served;

/// <summary>How the server speaks TLS, as somebody typed it.</summary>
/// <param name="Certificate">The certificate's file; empty for one that is made.</param>
/// <param name="Key">The file of its key; empty if that is in the same file.</param>
/// <param name="Password">The key's password; empty for none.</param>
/// <param name="AsksClients">Whether clients are asked for a certificate.</param>
internal sealed record TlsChoice(string Certificate, string Key, string Password, bool AsksClients)
{
    /// <param name="address">The address that a certificate is made for, beside the names of this machine.</param>
    public TlsOptions ToOptions(string address)
    {
        string file = Certificate.Trim();
        string key = Key.Trim();
        if (file.Length == 0 && (key.Length > 0 || Password.Length > 0))
            throw new RefusedCommandException("A key file or a password needs its certificate file. Without all three a certificate is made.");
        TlsOptions tls = file.Length == 0
            ? TlsOptions.SelfSigned([.. new HashSet<string>(StringComparer.OrdinalIgnoreCase) { "localhost", "127.0.0.1", "::1", Environment.MachineName, address }])
            : TlsOptions.FromPem(file, key.Length == 0 ? null : key, Password.Length == 0 ? null : Password); // a .pfx too: the contents decide
        tls.ClientCertificates = AsksClients ? ClientCertificateMode.Requested : ClientCertificateMode.None;
        return tls;
    }
}
