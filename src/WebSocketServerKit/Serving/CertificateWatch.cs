using WebSocketServerKit.Diagnostics;
using WebSocketServerKit.Transport.Tls;

namespace WebSocketServerKit.Serving;

/// <summary>The certificates of one run of a server: reads them, looks for changed files, and logs those that expire soon. Thread-safe.</summary>
internal sealed class CertificateWatch(TimeProvider time, ServerLog log)
{
    /// <summary>The time between two looks at the files.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan Notice = TimeSpan.FromDays(14);
    private static readonly TimeSpan ReminderInterval = TimeSpan.FromDays(1);

    private readonly Lock _gate = new();
    private readonly Dictionary<TlsOptions, TlsAuthentication> _all = new(ReferenceEqualityComparer.Instance); // places may share options
    private ITimer? _timer;
    private DateTimeOffset _reminded;
    private bool _isStopped;

    /// <summary>Reads the certificates of a place to listen, and watches them from then on.</summary>
    /// <exception cref="IOException">One of them cannot be used; the message says why.</exception>
    public TlsAuthentication Add(TlsOptions options)
    {
        lock (_gate)
        {
            if (_all.TryGetValue(options, out TlsAuthentication? authentication))
                return authentication;
            authentication = options.ToAuthentication();
            _all.Add(options, authentication);
            foreach (TlsHost host in authentication.Hosts)
                Remind(host);
            if (_timer is null && !_isStopped)
            {
                _reminded = time.GetUtcNow();
                _timer = time.CreateTimer(static watch => ((CertificateWatch)watch!).Look(), this, Interval, Interval);
            }

            return authentication;
        }
    }

    /// <summary>Watches these alone from now on. The others belong to end points that were removed.</summary>
    public void Keep(IEnumerable<TlsAuthentication> used)
    {
        HashSet<TlsAuthentication> kept = [.. used];
        lock (_gate)
        {
            foreach ((TlsOptions options, TlsAuthentication authentication) in _all)
            {
                if (!kept.Contains(authentication))
                    _all.Remove(options);
            }
        }
    }

    /// <summary>Stops looking.</summary>
    public void Stop()
    {
        lock (_gate)
        {
            _isStopped = true;
            _timer?.Dispose();
        }
    }

    private void Look()
    {
        // A slow file system must not pile up threads.
        if (!_gate.TryEnter())
            return;
        try
        {
            if (_isStopped)
                return;
            bool reminds = time.GetUtcNow() - _reminded >= ReminderInterval;
            if (reminds)
                _reminded = time.GetUtcNow();
            foreach (TlsHost host in _all.Values.SelectMany(authentication => authentication.Hosts))
            {
                bool isNew = host.Refresh(out string? problem);
                if (problem is not null)
                    log.CertificateUnusable(problem);
                if (isNew && host.Certificate is { } certificate)
                    log.CertificateRenewed(certificate.Subject, certificate.NotAfter);
                if (isNew || reminds)
                    Remind(host);
            }
        }
        finally
        {
            _gate.Exit();
        }
    }

    private void Remind(TlsHost host)
    {
        if (host.Certificate is not { } certificate)
            return;
        DateTime now = time.GetUtcNow().LocalDateTime; // as NotAfter
        if (now >= certificate.NotAfter)
            log.CertificateExpired(certificate.Subject, certificate.NotAfter);
        else if (now >= certificate.NotAfter - Notice)
            log.CertificateExpires(certificate.Subject, certificate.NotAfter);
    }
}
