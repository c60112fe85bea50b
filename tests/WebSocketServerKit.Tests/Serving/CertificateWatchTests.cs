using Microsoft.Extensions.Logging.Testing;
using Microsoft.Extensions.Time.Testing;
using WebSocketServerKit.Diagnostics;
using WebSocketServerKit.TestKit;
using WebSocketServerKit.Transport.Tls;

namespace WebSocketServerKit.Serving;

public sealed class CertificateWatchTests : IDisposable
{
    private readonly FakeTimeProvider _time = new(DateTimeOffset.UtcNow);
    private readonly FakeLogger _log = new();
    private readonly CertificateWatch _watch;
    private readonly string _folder = Directory.CreateTempSubdirectory().FullName;

    public CertificateWatchTests() => _watch = new CertificateWatch(_time, new ServerLog(_log));

    private string File1 => Path.Combine(_folder, "site.pem");

    private string Logged => string.Join('\n', _log.Collector.GetSnapshot().Select(record => $"{record.Id.Name}"));

    public void Dispose()
    {
        _watch.Stop();
        Directory.Delete(_folder, recursive: true);
    }

    private TlsHost AddFile(string name)
    {
        File.WriteAllText(File1, TestCertificates.Pem(name));
        return Assert.Single(_watch.Add(TlsOptions.FromPem(File1)).Hosts);
    }

    private void Pass() => _time.Advance(CertificateWatch.Interval);

    [Fact]
    public void New_contents_are_taken_within_the_interval()
    {
        TlsHost host = AddFile("one.example");
        File.WriteAllText(File1, TestCertificates.Pem("two.example"));
        Assert.Equal("CN=one.example", host.Certificate!.Subject);
        Pass();
        Assert.Equal("CN=two.example", host.Certificate!.Subject);
        Assert.Equal("CertificateRenewed", Logged);
    }

    [Fact]
    public void A_file_that_is_renamed_over_the_old_one_is_taken()
    {
        TlsHost host = AddFile("one.example");
        string next = Path.Combine(_folder, "next.pem");
        File.WriteAllText(next, TestCertificates.Pem("two.example"));
        File.Move(next, File1, overwrite: true);
        Pass();
        Assert.Equal("CN=two.example", host.Certificate!.Subject);
    }

    [Fact]
    public void A_link_that_leads_elsewhere_is_followed()
    {
        foreach (string name in (string[])["one.example", "two.example"])
            File.WriteAllText(Path.Combine(_folder, name), TestCertificates.Pem(name));
        File.CreateSymbolicLink(File1, Path.Combine(_folder, "one.example"));
        TlsHost host = Assert.Single(_watch.Add(TlsOptions.FromPem(File1)).Hosts);
        File.Delete(File1);
        File.CreateSymbolicLink(File1, Path.Combine(_folder, "two.example"));
        Pass();
        Assert.Equal("CN=two.example", host.Certificate!.Subject);
    }

    [Fact]
    public void A_half_written_file_is_reported_once_and_taken_when_it_is_whole()
    {
        TlsHost host = AddFile("one.example");
        string pem = TestCertificates.Pem("two.example");
        File.WriteAllText(File1, pem[..(pem.Length / 2)]);
        Pass();
        Pass();
        Assert.Equal("CertificateUnusable", Logged);
        Assert.Equal("CN=one.example", host.Certificate!.Subject);
        File.WriteAllText(File1, pem);
        Pass();
        Assert.Equal("CN=two.example", host.Certificate!.Subject);
    }

    [Fact]
    public void A_certificate_that_expires_soon_is_logged_at_once_and_every_day()
    {
        _time.SetUtcNow(new DateTimeOffset(TlsPair.Certificate.NotAfter).AddDays(-14).AddMinutes(-1));
        _watch.Add(TlsOptions.FromCertificate(TlsPair.Certificate));
        Assert.Equal("", Logged);
        _time.Advance(TimeSpan.FromDays(1));
        Assert.Equal("CertificateExpires", Logged);
        for (int i = 0; i < 8640; i++)
            Pass();
        Assert.Equal("CertificateExpires\nCertificateExpires", Logged);
        _time.Advance(TimeSpan.FromDays(13));
        Assert.EndsWith("CertificateExpired", Logged, StringComparison.Ordinal);
    }

    [Fact]
    public void Options_that_places_share_are_read_once()
    {
        TlsOptions options = TlsOptions.FromCertificate(TlsPair.Certificate);
        Assert.Same(_watch.Add(options), _watch.Add(options));
        Assert.NotSame(_watch.Add(options), _watch.Add(TlsOptions.FromCertificate(TlsPair.Certificate)));
    }

    [Fact]
    public void After_the_stop_nothing_is_read()
    {
        TlsHost host = AddFile("one.example");
        _watch.Stop();
        File.WriteAllText(File1, TestCertificates.Pem("two.example"));
        Pass();
        Assert.Equal("CN=one.example", host.Certificate!.Subject);
    }
}
