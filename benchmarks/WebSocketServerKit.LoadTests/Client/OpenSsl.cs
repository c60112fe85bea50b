using System.Runtime.InteropServices;
using System.Security.Authentication;
using System.Text;

namespace WebSocketServerKit.LoadTests.Client;

/// <summary>What of OpenSSL 3 the load needs: a TLS client over memory, which reads and writes no socket.</summary>
internal static partial class OpenSsl
{
    private const string Ssl = "libssl.so.3", Crypto = "libcrypto.so.3";
    private const int WantRead = 2, ZeroReturn = 6;                                         // SSL_ERROR_…
    private const int SetGroups = 92, SetMinVersion = 123, SetSessionCache = 44;            // SSL_CTRL_…
    private const int Info = 3;                                                             // BIO_CTRL_…
    private const int Tls13 = 0x0304;

    public const string Description = "TLS 1.3, TLS_AES_256_GCM_SHA384, X25519";

    /// <summary>Settings for clients that accept every certificate and resume no session.</summary>
    public static nint NewClientContext()
    {
        nint context = NewContext(ClientMethod());
        byte[] protocols = [8, .. "http/1.1"u8];
        bool done = context != 0
            && ControlContext(context, SetMinVersion, Tls13, null) == 1
            && SetCipherSuites(context, "TLS_AES_256_GCM_SHA384") == 1
            && ControlContext(context, SetGroups, 0, "X25519") == 1
            && SetApplicationProtocols(context, ref protocols[0], (uint)protocols.Length) == 0;
        _ = ControlContext(context, SetSessionCache, 0, null);
        return done ? context : throw Failure();
    }

    public static (nint Ssl, nint Input, nint Output) NewClient(nint context)
    {
        nint ssl = NewSsl(context), input = NewBio(Memory()), output = NewBio(Memory());
        if (ssl == 0 || input == 0 || output == 0)
            throw Failure();
        SetBios(ssl, input, output);
        SetConnectState(ssl);
        return (ssl, input, output);
    }

    public static int Handshake(nint ssl)
    {
        ClearErrors();
        return DoHandshake(ssl);
    }

    public static bool IsHandshakeDone(nint ssl) => IsInitFinished(ssl) == 1;

    /// <summary>How many bytes of one record were read; otherwise <see cref="IsEnd"/> tells what it means.</summary>
    public static int Read(nint ssl, ref byte buffer, int length)
    {
        ClearErrors();
        return ReadSsl(ssl, ref buffer, length);
    }

    public static void Write(nint ssl, ReadOnlySpan<byte> bytes)
    {
        ClearErrors();
        if (WriteSsl(ssl, in MemoryMarshal.GetReference(bytes), bytes.Length) != bytes.Length)
            throw Failure();
    }

    /// <summary>Whether the server has ended its side; otherwise the client waits for more.</summary>
    /// <exception cref="AuthenticationException">The server sent what it should not have.</exception>
    public static bool IsEnd(nint ssl, int result) => result <= 0 && GetError(ssl, result) switch
    {
        WantRead => false,
        ZeroReturn => true,
        _ => throw Failure(),
    };

    /// <summary>Answers the server's close_notify.</summary>
    public static void End(nint ssl) => _ = Shutdown(ssl);

    /// <summary>The bytes that wait in memory, and where they begin.</summary>
    public static int Pending(nint bio, out nint bytes) => (int)ControlBio(bio, Info, 0, out bytes);

    public static void Give(nint bio, ReadOnlySpan<byte> bytes)
    {
        if (WriteBio(bio, in MemoryMarshal.GetReference(bytes), bytes.Length) != bytes.Length)
            throw Failure();
    }

    /// <summary>Removes bytes that wait in memory.</summary>
    public static void Drop(nint bio, int count, byte[] scratch)
    {
        while (count > 0)
            count -= ReadBio(bio, ref scratch[0], Math.Min(count, scratch.Length));
    }

    /// <summary>Frees it and the memory that it reads and writes.</summary>
    [LibraryImport(Ssl, EntryPoint = "SSL_free")]
    public static partial void Free(nint ssl);

    private static AuthenticationException Failure()
    {
        byte[] text = new byte[256];
        DescribeError(FirstError(), ref text[0], text.Length);
        return new AuthenticationException($"TLS failed: {Encoding.UTF8.GetString(text.AsSpan(0, text.IndexOf((byte)0)))}");
    }

    [LibraryImport(Ssl, EntryPoint = "TLS_client_method")]
    private static partial nint ClientMethod();

    [LibraryImport(Ssl, EntryPoint = "SSL_CTX_new")]
    private static partial nint NewContext(nint method);

    [LibraryImport(Ssl, EntryPoint = "SSL_CTX_ctrl", StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint ControlContext(nint context, int command, nint number, string? text);

    [LibraryImport(Ssl, EntryPoint = "SSL_CTX_set_ciphersuites", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetCipherSuites(nint context, string names);

    [LibraryImport(Ssl, EntryPoint = "SSL_CTX_set_alpn_protos")]
    private static partial int SetApplicationProtocols(nint context, ref byte protocols, uint length);

    [LibraryImport(Ssl, EntryPoint = "SSL_new")]
    private static partial nint NewSsl(nint context);

    [LibraryImport(Ssl, EntryPoint = "SSL_set_bio")]
    private static partial void SetBios(nint ssl, nint input, nint output);

    [LibraryImport(Ssl, EntryPoint = "SSL_set_connect_state")]
    private static partial void SetConnectState(nint ssl);

    [LibraryImport(Ssl, EntryPoint = "SSL_do_handshake")]
    private static partial int DoHandshake(nint ssl);

    [LibraryImport(Ssl, EntryPoint = "SSL_is_init_finished")]
    private static partial int IsInitFinished(nint ssl);

    [LibraryImport(Ssl, EntryPoint = "SSL_read")]
    private static partial int ReadSsl(nint ssl, ref byte buffer, int length);

    [LibraryImport(Ssl, EntryPoint = "SSL_write")]
    private static partial int WriteSsl(nint ssl, ref readonly byte bytes, int length);

    [LibraryImport(Ssl, EntryPoint = "SSL_shutdown")]
    private static partial int Shutdown(nint ssl);

    [LibraryImport(Ssl, EntryPoint = "SSL_get_error")]
    private static partial int GetError(nint ssl, int result);

    [LibraryImport(Crypto, EntryPoint = "BIO_s_mem")]
    private static partial nint Memory();

    [LibraryImport(Crypto, EntryPoint = "BIO_new")]
    private static partial nint NewBio(nint method);

    [LibraryImport(Crypto, EntryPoint = "BIO_read")]
    private static partial int ReadBio(nint bio, ref byte buffer, int length);

    [LibraryImport(Crypto, EntryPoint = "BIO_write")]
    private static partial int WriteBio(nint bio, ref readonly byte bytes, int length);

    [LibraryImport(Crypto, EntryPoint = "BIO_ctrl")]
    private static partial nint ControlBio(nint bio, int command, nint number, out nint pointer);

    [LibraryImport(Crypto, EntryPoint = "ERR_clear_error")]
    private static partial void ClearErrors();

    [LibraryImport(Crypto, EntryPoint = "ERR_get_error")]
    private static partial nuint FirstError();

    [LibraryImport(Crypto, EntryPoint = "ERR_error_string_n")]
    private static partial void DescribeError(nuint error, ref byte text, nint length);
}
