using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace WebSocketServerKit.Transport.Tls;

/// <summary>
/// A certificate with its private key in files: PKCS #12 (<c>.pfx</c>, <c>.p12</c>), or PEM with the certificates of the chain behind it. Used by one thread at a time.
/// </summary>
/// <param name="path">The file of the certificate.</param>
/// <param name="keyPath">The PEM file of the private key; null if it is in the same file.</param>
/// <param name="password">The password of the private key; null for none.</param>
internal sealed class CertificateFile(string path, string? keyPath, string? password)
{
    private const int MaxSize = 1024 * 1024;

    private byte[]? _read; // the contents at the last read, good or bad

    /// <summary>Reads the files. Contents are compared, not dates: a renewal may rename, relink or overwrite the files, or keep their dates.</summary>
    /// <param name="certificate">The certificate, if the contents have changed since the last read and are good.</param>
    /// <param name="problem">Why the contents cannot be used; reported once.</param>
    /// <returns>Whether there is a new certificate.</returns>
    public bool TryRead(out SslStreamCertificateContext? certificate, out string? problem)
    {
        certificate = null;
        problem = null;
        try
        {
            byte[] contents = ReadFile(path);
            byte[] key = keyPath is null ? [] : ReadFile(keyPath);
            byte[] all = [.. contents, .. key];
            if (_read is not null && all.AsSpan().SequenceEqual(_read))
                return false;
            _read = all;
            certificate = Parse(contents, key);
            return true;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            string message = $"Cannot read the certificate: {failure.Message}";
            byte[] marker = Encoding.UTF8.GetBytes(message);
            if (!marker.AsSpan().SequenceEqual(_read))
                problem = message;
            _read = marker;
        }
        catch (Exception failure) when (failure is CryptographicException or ArgumentException)
        {
            problem = $"The certificate in {Name} cannot be used: {failure.Message}";
        }

        return false;
    }

    private string Name => keyPath is null ? path : $"{path} with the key in {keyPath}";

    private static byte[] ReadFile(string path)
    {
        using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        if (file.Length > MaxSize)
            throw new IOException($"{path} is larger than 1 MiB, so it is no certificate.");
        byte[] contents = new byte[file.Length];
        file.ReadExactly(contents);
        return contents;
    }

    private SslStreamCertificateContext Parse(byte[] contents, byte[] key)
    {
        X509Certificate2Collection chain = [];
        X509Certificate2 certificate = contents.AsSpan().IndexOf("-----BEGIN "u8) >= 0
            ? ParsePem(Encoding.UTF8.GetString(contents), keyPath is null ? null : Encoding.UTF8.GetString(key), chain)
            : ParsePkcs12(contents, chain);
        return CreateContext(certificate, chain);
    }

    /// <summary>A context for the certificate, which is made once, because it is expensive. It sends the chain, and does not fetch missing certificates from the network.</summary>
    public static SslStreamCertificateContext CreateContext(X509Certificate2 certificate, X509Certificate2Collection? chain)
    {
        // Windows does not take keys that exist in memory only.
        if (OperatingSystem.IsWindows())
            certificate = X509CertificateLoader.LoadPkcs12(certificate.Export(X509ContentType.Pfx), null);
        return SslStreamCertificateContext.Create(certificate, chain, offline: true);
    }

    private X509Certificate2 ParsePem(string certificates, string? key, X509Certificate2Collection chain)
    {
        chain.ImportFromPem(certificates);
        if (chain.Count == 0)
            throw new CryptographicException("the file has no certificate. Write the server's certificate first, then those of the authorities that issued it.");
        chain.RemoveAt(0); // the server's own
        try
        {
            return password is null
                ? X509Certificate2.CreateFromPem(certificates, key ?? certificates)
                : X509Certificate2.CreateFromEncryptedPem(certificates, key ?? certificates, password);
        }
        catch (Exception failure) when (failure is CryptographicException or ArgumentException)
        {
            throw new CryptographicException(
                $"its private key is missing, needs a password, or does not belong to the first certificate ({failure.Message})", failure);
        }
    }

    private X509Certificate2 ParsePkcs12(byte[] contents, X509Certificate2Collection chain)
    {
        X509Certificate2? own = null;
        foreach (X509Certificate2 certificate in X509CertificateLoader.LoadPkcs12Collection(contents, password))
        {
            if (own is null && certificate.HasPrivateKey)
                own = certificate;
            else
                chain.Add(certificate);
        }

        return own ?? throw new CryptographicException("it has no certificate with a private key.");
    }
}
