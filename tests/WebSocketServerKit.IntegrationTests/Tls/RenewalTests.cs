using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Time.Testing;
using WebSocketServerKit.Serving;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Tls;

/// <summary>Certificates that change on disk while the server runs, and those that expire.</summary>
public sealed class RenewalTests : IDisposable
{
    private const int Unusable = 31;
    private const int Renewed = 32;
    private const int Expires = 33;
    private const int Expired = 34;

    private readonly string _folder = Directory.CreateTempSubdirectory("renewal-").FullName;
    private readonly FakeTimeProvider _time = new(DateTimeOffset.UtcNow);

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private string PathOf(string name) => Path.Combine(_folder, name);

    // Any name serves: the tests look at the subject only.
    private static string NewPem(string name)
    {
        using X509Certificate2 certificate = TestAuthority.Root.Issue(name);
        using ECDsa key = certificate.GetECDsaPrivateKey()!;
        return certificate.ExportCertificatePem() + "\n" + key.ExportPkcs8PrivateKeyPem() + "\n";
    }

    private Task<TestServer> StartAsync(string path) => TestServer.StartEchoAsync(options =>
    {
        options.UseTimeProvider(_time);
        options.PingInterval = Timeout.InfiniteTimeSpan; // the clock of the test leaps
        options.Listen("https://127.0.0.1:0", TlsOptions.FromPem(path));
    });

    // The watch looks on the thread that moves the clock.
    private void Look() => _time.Advance(CertificateWatch.Interval);

    private static async Task AssertShowsAsync(TestServer server, string name) => Assert.Equal($"CN={name}", await SecureStream.SubjectAsync(server.EndPoint, name));

    [Fact]
    public async Task A_file_that_is_renamed_into_place_is_taken_for_new_connections_and_clients_live_on()
    {
        File.WriteAllText(PathOf("server.pem"), NewPem("old.test"));
        await using TestServer server = await StartAsync(PathOf("server.pem"));
        using SecureStream early = await SecureStream.ConnectAsync(server.EndPoint, "old.test");
        await early.EchoAsync();
        for (int i = 0; i < 3; i++)
        {
            File.WriteAllText(PathOf("next.pem"), NewPem($"new{i}.test"));
            File.Move(PathOf("next.pem"), PathOf("server.pem"), overwrite: true);
            Look();
            await AssertShowsAsync(server, $"new{i}.test");
        }

        await early.EchoAsync("the old client");
        Assert.Equal(3, server.Log.Of(Renewed).Count);
        Assert.Contains("CN=new2.test", server.Log.Of(Renewed)[2].Message, StringComparison.Ordinal);
        Look();
        Assert.Equal(3, server.Log.Of(Renewed).Count);
    }

    [Fact]
    public async Task A_file_that_is_overwritten_is_taken_even_if_its_date_stays()
    {
        File.WriteAllText(PathOf("server.pem"), NewPem("old.test"));
        DateTime date = File.GetLastWriteTimeUtc(PathOf("server.pem"));
        await using TestServer server = await StartAsync(PathOf("server.pem"));
        File.WriteAllText(PathOf("server.pem"), NewPem("new.test"));
        File.SetLastWriteTimeUtc(PathOf("server.pem"), date);
        Look();
        await AssertShowsAsync(server, "new.test");
    }

    // live/server.pem -> ../archive/server1.pem, then ../archive/server2.pem.
    [Fact]
    public async Task A_link_to_another_file_is_followed_as_certbot_makes_it()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Links need a right there.");
        Directory.CreateDirectory(PathOf("archive"));
        Directory.CreateDirectory(PathOf("live"));
        File.WriteAllText(PathOf("archive/server1.pem"), NewPem("old.test"));
        File.CreateSymbolicLink(PathOf("live/server.pem"), "../archive/server1.pem");
        await using TestServer server = await StartAsync(PathOf("live/server.pem"));
        File.WriteAllText(PathOf("archive/server2.pem"), NewPem("new.test"));
        File.CreateSymbolicLink(PathOf("live/next.pem"), "../archive/server2.pem");
        File.Move(PathOf("live/next.pem"), PathOf("live/server.pem"), overwrite: true);
        Look();
        await AssertShowsAsync(server, "new.test");
    }

    // tls.pem -> ..data/tls.pem, ..data -> ..1, then ..2, and ..1 is deleted.
    [Fact]
    public async Task A_link_to_another_folder_is_followed_as_Kubernetes_makes_it()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Links need a right there.");
        Directory.CreateDirectory(PathOf("..1"));
        File.WriteAllText(PathOf("..1/tls.pem"), NewPem("old.test"));
        Directory.CreateSymbolicLink(PathOf("..data"), "..1");
        File.CreateSymbolicLink(PathOf("tls.pem"), "..data/tls.pem");
        await using TestServer server = await StartAsync(PathOf("tls.pem"));
        Directory.CreateDirectory(PathOf("..2"));
        File.WriteAllText(PathOf("..2/tls.pem"), NewPem("new.test"));
        Directory.CreateSymbolicLink(PathOf("..next"), "..2");
        // rename(2) replaces a link to a folder; File.Move looks whether the target is a file.
        File.Delete(PathOf("..data"));
        Directory.Move(PathOf("..next"), PathOf("..data"));
        Directory.Delete(PathOf("..1"), recursive: true);
        Look();
        await AssertShowsAsync(server, "new.test");
        Assert.Empty(server.Log.Of(Unusable));
    }

    [Fact]
    public async Task A_half_written_file_keeps_the_certificate_of_before_until_it_is_complete()
    {
        File.WriteAllText(PathOf("server.pem"), NewPem("old.test"));
        await using TestServer server = await StartAsync(PathOf("server.pem"));
        string next = NewPem("new.test");
        File.WriteAllText(PathOf("server.pem"), next[..(next.Length / 2)]);
        Look();
        await AssertShowsAsync(server, "old.test");
        Assert.Single(server.Log.Of(Unusable));
        File.WriteAllText(PathOf("server.pem"), next);
        Look();
        await AssertShowsAsync(server, "new.test");
        Assert.Single(server.Log.Of(Unusable));
    }

    [Fact]
    public async Task A_key_that_is_written_after_its_certificate_is_taken_with_it()
    {
        string first = NewPem("old.test"), next = NewPem("new.test");
        static int Cut(string pem) => pem.IndexOf("-----BEGIN PRIVATE", StringComparison.Ordinal);
        File.WriteAllText(PathOf("cert.pem"), first[..Cut(first)]);
        File.WriteAllText(PathOf("key.pem"), first[Cut(first)..]);
        await using TestServer server = await TestServer.StartEchoAsync(options =>
        {
            options.UseTimeProvider(_time);
            options.Listen("https://127.0.0.1:0", TlsOptions.FromPem(PathOf("cert.pem"), PathOf("key.pem")));
        });
        File.WriteAllText(PathOf("cert.pem"), next[..Cut(next)]);
        Look();
        await AssertShowsAsync(server, "old.test");
        File.WriteAllText(PathOf("key.pem"), next[Cut(next)..]);
        Look();
        await AssertShowsAsync(server, "new.test");
    }

    [Theory]
    [InlineData("garbage")]
    [InlineData("empty")]
    [InlineData("missing")]
    public async Task A_broken_file_keeps_the_certificate_of_before_and_is_logged_once(string what)
    {
        string old = NewPem("old.test");
        File.WriteAllText(PathOf("server.pem"), old);
        await using TestServer server = await StartAsync(PathOf("server.pem"));
        if (what == "missing")
            File.Delete(PathOf("server.pem"));
        else
            File.WriteAllText(PathOf("server.pem"), what == "empty" ? "" : "-----BEGIN CERTIFICATE-----\n");
        for (int i = 0; i < 20; i++)
            Look();
        await AssertShowsAsync(server, "old.test");
        Assert.Contains(PathOf("server.pem"), Assert.Single(server.Log.Of(Unusable)).Message, StringComparison.Ordinal);

        // The file of before is back, and broken once more: that is news.
        File.WriteAllText(PathOf("server.pem"), old);
        Look();
        File.WriteAllText(PathOf("server.pem"), "-----BEGIN NOTHING-----\n");
        Look();
        Assert.Equal(2, server.Log.Of(Unusable).Count);
        await AssertShowsAsync(server, "old.test");
    }

    [Fact]
    public async Task The_certificate_of_a_host_name_is_renewed_too()
    {
        File.WriteAllText(PathOf("a.pem"), NewPem("old.a.test"));
        File.WriteAllText(PathOf("other.pem"), NewPem("other.test"));
        TlsOptions tls = TlsOptions.FromPem(PathOf("other.pem"));
        tls.ServerNames["a.test"] = TlsOptions.FromPem(PathOf("a.pem"));
        await using TestServer server = await TestServer.StartEchoAsync(options =>
        {
            options.UseTimeProvider(_time);
            options.Listen("https://127.0.0.1:0", tls);
        });
        File.WriteAllText(PathOf("a.pem"), NewPem("new.a.test"));
        Look();
        Assert.Equal("CN=new.a.test", await SecureStream.SubjectAsync(server.EndPoint, "a.test"));
        Assert.Equal("CN=other.test", await SecureStream.SubjectAsync(server.EndPoint, "b.test"));
    }

    [Fact]
    public async Task Expiry_is_logged_from_14_days_ahead_once_a_day()
    {
        using X509Certificate2 certificate = TestAuthority.Root.Issue("localhost", notAfter: _time.GetUtcNow().AddDays(15.5));
        await using TestServer server = await TestServer.StartEchoAsync(options =>
        {
            options.UseTimeProvider(_time);
            options.Listen("https://127.0.0.1:0", TlsOptions.FromCertificate(certificate));
        });
        Pass(TimeSpan.FromDays(1.4));
        Assert.Empty(server.Log.Of(Expires));
        Pass(TimeSpan.FromDays(1.1)); // 13 days ahead
        Assert.Contains("CN=localhost", Assert.Single(server.Log.Of(Expires)).Message, StringComparison.Ordinal);
        Pass(TimeSpan.FromDays(2));
        Assert.Equal(3, server.Log.Of(Expires).Count);
        Pass(TimeSpan.FromDays(10.8)); // 5 hours before the end
        Assert.InRange(server.Log.Of(Expires).Count, 13, 14);
        Assert.Empty(server.Log.Of(Expired));
        Pass(TimeSpan.FromDays(1.1));
        Assert.Equal(Microsoft.Extensions.Logging.LogLevel.Error, Assert.Single(server.Log.Of(Expired)).Level);
        Assert.InRange(server.Log.Of(Expires).Count, 13, 14);
        Pass(TimeSpan.FromDays(1));
        Assert.Equal(2, server.Log.Of(Expired).Count);
    }

    [Theory]
    [InlineData(-1, Expired)]
    [InlineData(13, Expires)]
    public async Task Expiry_is_logged_when_the_server_starts_and_a_renewal_ends_that(int days, int id)
    {
        using (X509Certificate2 certificate = TestAuthority.Root.Issue("localhost", notBefore: _time.GetUtcNow().AddDays(-100), notAfter: _time.GetUtcNow().AddDays(days)))
        {
            using ECDsa key = certificate.GetECDsaPrivateKey()!;
            File.WriteAllText(PathOf("server.pem"), certificate.ExportCertificatePem() + "\n" + key.ExportPkcs8PrivateKeyPem());
        }

        await using TestServer server = await StartAsync(PathOf("server.pem"));
        Assert.Single(server.Log.Of(id));
        File.WriteAllText(PathOf("server.pem"), NewPem("localhost"));
        Look();
        Assert.Single(server.Log.Of(Renewed));
        Pass(TimeSpan.FromDays(3));
        Assert.Single(server.Log.Of(id));
    }

    // In steps of an hour. The watch looks once in each.
    private void Pass(TimeSpan time)
    {
        for (TimeSpan passed = TimeSpan.Zero; passed < time; passed += TimeSpan.FromHours(1))
        {
            _time.AdjustTime(_time.GetUtcNow() + TimeSpan.FromHours(1) - CertificateWatch.Interval);
            Look();
        }
    }
}
