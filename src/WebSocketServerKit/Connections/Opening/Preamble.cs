using System.IO.Pipelines;
using System.Security.Authentication;
using WebSocketServerKit.Diagnostics;
using WebSocketServerKit.Scheduling;
using WebSocketServerKit.Transport;
using WebSocketServerKit.Transport.Proxies;
using WebSocketServerKit.Transport.Tls;

namespace WebSocketServerKit.Connections.Opening;

/// <summary>How the <see cref="Preamble"/> of a connection has ended.</summary>
internal enum PreambleEnd : byte
{
    /// <summary>The request comes next.</summary>
    Passed,

    /// <summary>The client does not speak TLS where it has to.</summary>
    NotTls,

    /// <summary>The connection cannot go on, and was logged. There is nobody to answer.</summary>
    Failed,
}

/// <summary>What comes before the request: the header of a proxy, the TLS handshake. The deadline and the limits of the opening handshake apply.</summary>
internal static class Preamble
{
    /// <exception cref="IOException">The connection is lost.</exception>
    public static async ValueTask<PreambleEnd> RunAsync(ConnectionLifetime connection)
    {
        TransportConnection transport = connection.Transport;
        if (connection.ExpectsProxyHeader && !await ReadProxyHeaderAsync(connection, transport.Underlying.Input).ConfigureAwait(false))
            return PreambleEnd.Failed;
        if (transport.IsReady)
            return PreambleEnd.Passed;
        if (!await BeginsTlsAsync(connection, transport.Underlying.Input).ConfigureAwait(false))
            return PreambleEnd.NotTls;

        // The public-key operations take long compared with a message. Connected clients must not wait for those of a crowd of new ones.
        await Turn.InLine;
        try
        {
            await transport.AuthenticateAsync().ConfigureAwait(false);
            return PreambleEnd.Passed;
        }
        catch (Exception refused) when (refused is AuthenticationException or IOException)
        {
            LogFailure(connection, refused);
        }
        catch (Exception failure)
        {
            // What a peer sends ends in one of the exceptions above.
            connection.Log.TlsSettingsFailed(failure, connection.RemoteEndPoint);
        }

        return PreambleEnd.Failed;
    }

    /// <summary>Logs why a TLS handshake has failed, unless this side has ended it.</summary>
    public static void LogFailure(ConnectionLifetime connection, Exception failure)
    {
        // The exceptions around the innermost one say only that something has failed.
        if (!connection.IsEnding)
            connection.Log.TlsFailed(connection.RemoteEndPoint, new PeerText(TransportErrors.DescribeLoss(failure.GetBaseException())));
    }

    // Only looks at the first byte.
    private static async ValueTask<bool> BeginsTlsAsync(ConnectionLifetime connection, PipeReader input)
    {
        ReadResult read = await input.ReadAsync().ConfigureAwait(false);
        bool begins = read.Buffer.IsEmpty || read.Buffer.FirstSpan[0] == TlsRecord.Handshake;
        connection.HasSpoken |= !read.Buffer.IsEmpty;
        input.AdvanceTo(read.Buffer.Start);
        return begins;
    }

    private static async ValueTask<bool> ReadProxyHeaderAsync(ConnectionLifetime connection, PipeReader input)
    {
        if (!connection.IsFromTrustedProxy)
        {
            connection.ProxyRefused("it does not come from one of the TrustedProxies");
            return false;
        }

        while (true)
        {
            ReadResult read = await input.ReadAsync().ConfigureAwait(false);
            connection.HasSpoken = true;
            ProxyHeaderStatus status = ProxyHeaderParser.Parse(read.Buffer, out long consumed, out ProxyHeader? header, out string? problem);
            if (status == ProxyHeaderStatus.NeedMore)
            {
                input.AdvanceTo(read.Buffer.Start, read.Buffer.End);
                if (!read.IsCompleted)
                    continue;
                // A load balancer that checks whether the server listens connects and leaves.
                if (read.Buffer.IsEmpty)
                    return false;
                problem = "the connection ended in the middle of its PROXY header";
            }
            else
            {
                input.AdvanceTo(read.Buffer.GetPosition(consumed));
            }

            if (header is not null)
            {
                connection.Locate(new ProxyConnection(connection.Transport.RemoteEndPoint, connection.Transport.LocalEndPoint, header));
                return true;
            }

            connection.ProxyRefused(problem!);
            return false;
        }
    }
}
