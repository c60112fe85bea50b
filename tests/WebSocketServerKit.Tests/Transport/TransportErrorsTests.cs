using System.Net;
using System.Net.Sockets;

namespace WebSocketServerKit.Transport;

public class TransportErrorsTests
{
    [Theory]
    [InlineData("127.0.0.1:8080", SocketError.AddressAlreadyInUse,
        "the address is already in use. Stop the program that uses it, choose another port, or use port 0 to let the system choose.")]
    [InlineData("192.0.2.1:8080", SocketError.AddressNotAvailable,
        "this machine does not have that address. Use one of its own, or 0.0.0.0 for all of them.")]
    [InlineData("[2001:db8::1]:8080", SocketError.AddressNotAvailable,
        "this machine does not have that address. Use one of its own, or [::] for all of them.")]
    [InlineData("[::]:8080", SocketError.AddressFamilyNotSupported,
        "this system has no IPv6. Use an IPv4 address such as 0.0.0.0.")]
    [InlineData("0.0.0.0:8080", SocketError.AddressFamilyNotSupported,
        "this system has no IPv4. Use an IPv6 address such as [::].")]
    public void Says_why_an_end_point_cannot_be_listened_on_and_what_to_do(string endPoint, SocketError error, string why)
    {
        var failure = new SocketException((int)error);

        IOException told = TransportErrors.CannotListen(IPEndPoint.Parse(endPoint), failure, []);

        Assert.Equal($"Cannot listen on {endPoint}: {why}", told.Message);
        Assert.Same(failure, told.InnerException);
    }

    [Theory]
    [InlineData("[::]:8080", "0.0.0.0:8080",
        "the server cannot listen on 0.0.0.0:8080 as well: [::]:8080 includes 0.0.0.0:8080, since [::] takes IPv4 clients too. Leave 0.0.0.0:8080 out.")]
    [InlineData("0.0.0.0:8080", "[::]:8080",
        "the server cannot listen on [::]:8080 as well: [::]:8080 includes 0.0.0.0:8080, since [::] takes IPv4 clients too. Leave 0.0.0.0:8080 out.")]
    [InlineData("[::]:8080", "127.0.0.1:8080",
        "the server cannot listen on 127.0.0.1:8080 as well: [::]:8080 includes 127.0.0.1:8080, since [::] takes IPv4 clients too. Leave 127.0.0.1:8080 out.")]
    [InlineData("[::1]:8080", "[::]:8080", "the server cannot listen on [::]:8080 as well: [::]:8080 includes [::1]:8080. Leave [::1]:8080 out.")]
    [InlineData("0.0.0.0:8080", "127.0.0.1:8080",
        "the server cannot listen on 127.0.0.1:8080 as well: 0.0.0.0:8080 includes 127.0.0.1:8080. Leave 127.0.0.1:8080 out.")]
    [InlineData("127.0.0.1:8080", "127.0.0.1:8080", "it is among the server's end points twice. Leave one out.")]
    public void Says_that_two_end_points_of_one_server_exclude_each_other(string endPoint, string other, string why)
    {
        IOException told = TransportErrors.CannotListen(
            IPEndPoint.Parse(endPoint), new SocketException((int)SocketError.AddressAlreadyInUse), [IPEndPoint.Parse("192.0.2.1:8081"), IPEndPoint.Parse(other)]);

        Assert.Equal($"Cannot listen on {endPoint}: {why}", told.Message);
    }

    [Theory]
    [InlineData("127.0.0.1:8080", "0.0.0.0:8081")]
    [InlineData("127.0.0.1:8080", "127.0.0.2:8080")]
    [InlineData("[::1]:8080", "0.0.0.0:8080")]
    public void Blames_another_program_where_the_servers_own_end_points_do_not_meet(string endPoint, string other)
    {
        IOException told = TransportErrors.CannotListen(
            IPEndPoint.Parse(endPoint), new SocketException((int)SocketError.AddressAlreadyInUse), [IPEndPoint.Parse(other)]);

        Assert.Contains("Stop the program that uses it", told.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(SocketError.InvalidArgument)]
    [InlineData(SocketError.AddressNotAvailable)]
    public void Says_that_a_link_local_address_lacks_its_interface(SocketError error)
    {
        IOException told = TransportErrors.CannotListen(IPEndPoint.Parse("[fe80::1]:8080"), new SocketException((int)error), []);

        Assert.Equal(
            "Cannot listen on [fe80::1]:8080: a link-local address says nothing without the network interface that it is meant on. "
            + "Write its name or number behind a %, as in fe80::1%eth0 (Linux, macOS) or fe80::1%12 (Windows).",
            told.Message);
        Assert.DoesNotContain(
            "interface",
            TransportErrors.CannotListen(IPEndPoint.Parse("[fe80::1%2]:8080"), new SocketException((int)error), []).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Says_that_a_low_port_needs_rights()
    {
        IOException told = TransportErrors.CannotListen(IPEndPoint.Parse("0.0.0.0:80"), new SocketException((int)SocketError.AccessDenied), []);

        const string Expected = "Cannot listen on 0.0.0.0:80: the system does not permit it. Ports below 1024 usually need special rights";
        Assert.StartsWith(Expected, told.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Leaves_a_bind_error_it_does_not_know_in_the_systems_words()
    {
        var failure = new SocketException((int)SocketError.InvalidArgument);

        IOException told = TransportErrors.CannotListen(IPEndPoint.Parse("127.0.0.1:1"), failure, []);

        Assert.Equal($"Cannot listen on 127.0.0.1:1: {failure.Message}", told.Message);
    }

    [Theory]
    [InlineData(SocketError.ConnectionAborted)]
    [InlineData(SocketError.ConnectionReset)]
    [InlineData(SocketError.NetworkDown)]
    [InlineData(SocketError.NetworkUnreachable)]
    [InlineData(SocketError.HostDown)]
    [InlineData(SocketError.HostUnreachable)]
    [InlineData(SocketError.ProtocolOption)]
    [InlineData(SocketError.TimedOut)]
    public void A_client_that_is_gone_before_it_is_accepted_concerns_nobody_else(SocketError error) =>
        Assert.True(TransportErrors.ConcernsOneClient(error));

    [Theory]
    [InlineData(SocketError.TooManyOpenSockets)]
    [InlineData(SocketError.NoBufferSpaceAvailable)]
    [InlineData(SocketError.AccessDenied)]
    [InlineData(SocketError.InvalidArgument)]
    [InlineData(SocketError.SocketError)]
    public void A_shortage_and_an_error_it_does_not_know_concern_every_client(SocketError error) =>
        Assert.False(TransportErrors.ConcernsOneClient(error));

    [Theory]
    [InlineData(SocketError.TooManyOpenSockets, "no file descriptor left. Raise the limit (ulimit -n)")]
    [InlineData(SocketError.NoBufferSpaceAvailable, "no memory left for sockets")]
    public void Reports_what_accepting_lacks_and_that_it_goes_on(SocketError error, string lack)
    {
        var failure = new SocketException((int)error);

        IOException told = TransportErrors.AcceptingPaused(failure);

        Assert.Contains("accepting is tried again until it works", told.Message, StringComparison.Ordinal);
        Assert.Contains(lack, told.Message, StringComparison.Ordinal);
        Assert.Same(failure, told.InnerException);
    }

    [Fact]
    public void Reports_an_accept_error_it_does_not_know_in_the_systems_words()
    {
        var socketFailure = new SocketException((int)SocketError.AccessDenied);

        var otherFailure = new InvalidOperationException("unforeseen");

        Assert.EndsWith(socketFailure.Message, TransportErrors.AcceptingPaused(socketFailure).Message, StringComparison.Ordinal);
        Assert.EndsWith("unforeseen", TransportErrors.AcceptingPaused(otherFailure).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(SocketError.ConnectionReset, "the peer reset the connection")]
    [InlineData(SocketError.ConnectionAborted, "the peer reset the connection")]
    [InlineData(SocketError.Shutdown, "the connection had already ended")]
    [InlineData(SocketError.NotConnected, "the connection had already ended")]
    [InlineData(SocketError.TimedOut, "the peer no longer answers")]
    [InlineData(SocketError.HostUnreachable, "the network to the peer failed")]
    [InlineData(SocketError.OperationAborted, "this side cut it")]
    [InlineData(SocketError.Interrupted, "this side cut it")]
    public void Says_how_a_connection_was_lost_alike_for_a_bare_and_a_wrapped_error(SocketError error, string description)
    {
        var failure = new SocketException((int)error);

        Assert.Equal(description, TransportErrors.DescribeLoss(failure));
        Assert.Equal(description, TransportErrors.DescribeLoss(new IOException("Unable to read.", failure)));
        Assert.Equal($"The connection is lost: {description}.", TransportErrors.ConnectionLost(failure).Message);
        Assert.Same(failure, TransportErrors.ConnectionLost(failure).InnerException);
    }

    [Fact]
    public void Says_that_this_side_cut_a_connection_whose_socket_is_closed()
    {
        var failure = new IOException("Unable to read.", new ObjectDisposedException("Socket"));

        Assert.Equal("this side cut it", TransportErrors.DescribeLoss(failure));
    }

    [Fact]
    public void Leaves_a_loss_it_does_not_know_in_its_own_words() =>
        Assert.Equal("The TLS record is broken.", TransportErrors.DescribeLoss(new IOException("The TLS record is broken.")));
}
