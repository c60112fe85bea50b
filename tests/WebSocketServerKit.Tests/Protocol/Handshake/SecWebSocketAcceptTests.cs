using System.Text;

namespace WebSocketServerKit.Protocol.Handshake;

public sealed class SecWebSocketAcceptTests
{
    [Theory]
    [InlineData("dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")] // RFC 6455 1.3
    [InlineData("x3JJHMbDL1EzLkh9GBhXDw==", "HSmrc0sMlYUkAGmm5OPpG2HaGWk=")]
    public void Computes_the_answer_to_a_key(string key, string accept)
    {
        byte[] written = new byte[SecWebSocketAccept.Length];
        SecWebSocketAccept.Write(key, written);
        Assert.Equal(accept, Encoding.ASCII.GetString(written));
    }

    [Fact]
    public void Takes_every_key_that_a_sound_client_sends()
    {
        byte[] nonce = new byte[16];
        for (int value = 0; value < 256; value++)
        {
            Array.Fill(nonce, (byte)value);
            Assert.True(SecWebSocketAccept.IsKey(Convert.ToBase64String(nonce)));
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("dGhlIHNhbXBsZSBub25j")] // 15 bytes
    [InlineData("dGhlIHNhbXBsZSBub25jZWU=")] // 17 bytes in 24 characters
    [InlineData("dGhlIHNhbXBsZSBub25jZWVl")] // 18 bytes in 24 characters
    [InlineData("dGhlIHNhbXBsZSBub25jZQ=")]
    [InlineData("dGhlIHNhbXBsZSBub25jZQ")]
    [InlineData("dGhlIHNhbXBsZSBub25jZQ===")]
    [InlineData("dGhlIHNhbXBsZSBub25jZQ=A")]
    [InlineData("dGhlIHNhbXBsZSBub25jZQA=")]
    [InlineData("dGhlIHNhbXBsZSBub2-_ZQ==")] // base64url
    [InlineData("dGhlIHNhbXBs SBub25jZQ==")]
    [InlineData("dGhlIHNhbXBsZSBub25=ZQ==")]
    [InlineData("dGhlIHNhbXBsZSBub25\u00FFZQ==")]
    public void Refuses_a_key_that_is_not_the_base64_form_of_16_bytes(string key) => Assert.False(SecWebSocketAccept.IsKey(key));

    [Theory]
    [InlineData("AQIDBAUGBwgJCgsMDQ4PEC==", "OfS0wDaT5NoxF2gqm7Zj2YtetzM=")] // RFC 6455 4.1
    [InlineData("dGhlIHNhbXBsZSBub25jZR==", "Zgw8jYXtqX5qJr7MJ1Q/MqzeSRI=")]
    public void Takes_a_key_with_bits_after_the_16th_byte_and_answers_it_as_it_stands(string key, string accept)
    {
        Assert.True(SecWebSocketAccept.IsKey(key));
        Computes_the_answer_to_a_key(key, accept);
    }

    [Fact]
    public void Takes_each_digit_of_base64_as_the_last_one()
    {
        IEnumerable<char> taken = Enumerable.Range(0, 128)
            .Select(value => (char)value)
            .Where(lastDigit => SecWebSocketAccept.IsKey($"dGhlIHNhbXBsZSBub25jZ{lastDigit}=="));
        Assert.Equal("+/0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", string.Concat(taken));
    }

    [Fact]
    public void Allocates_nothing_when_it_writes()
    {
        byte[] destination = new byte[SecWebSocketAccept.Length];
        SecWebSocketAccept.Write(RequestHeads.SampleKey, destination);
        long before = GC.GetAllocatedBytesForCurrentThread();
        SecWebSocketAccept.Write(RequestHeads.SampleKey, destination);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }
}
