using System.Text;

namespace WebSocketServerKit.Protocol.Messages;

public sealed class Utf8ValidatorTests
{
    // Both ends of each class of bytes that RFC 3629 4 tells apart: what holds for them holds for the bytes between.
    private static readonly byte[] ClassEnds =
    [
        0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF,
        0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFF,
    ];

    [Theory]
    [InlineData("")]
    [InlineData("Hello-µ@ßöäüàá-UTF-8!!")]
    [InlineData("κόσμε")]
    [InlineData("\0")]
    [InlineData("\u007F\u0080\u07FF\u0800\uFFFF")]
    [InlineData("\uD7FF\uE000\uFFFD\uFFFE")]
    [InlineData("\U00010000\U0010FFFF")]
    [InlineData("\uFEFFa byte order mark is a character like any other")]
    [InlineData("\U0001F600\U0001F468\u200D\U0001F469\u200D\U0001F467")]
    public void Accepts_text_cut_at_any_two_places(string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        for (int first = 0; first <= bytes.Length; first++)
        {
            for (int second = first; second <= bytes.Length; second++)
            {
                Utf8Validator validator = default;
                Assert.True(validator.Accepts(bytes.AsSpan(0, first)));
                Assert.True(validator.Accepts(bytes.AsSpan(first, second - first)));
                Assert.True(validator.Accepts(bytes.AsSpan(second)));
                Assert.True(validator.EndsHere());
            }
        }
    }

    [Fact]
    public void Accepts_every_character_whole_and_byte_by_byte()
    {
        Span<byte> bytes = stackalloc byte[4];
        for (int value = 0; value <= 0x10FFFF; value++)
        {
            if (!Rune.IsValid(value))
                continue;
            ReadOnlySpan<byte> character = bytes[..new Rune(value).EncodeToUtf8(bytes)];
            Utf8Validator whole = default;
            Utf8Validator cut = default;
            bool accepted = whole.Accepts(character) && whole.EndsHere();
            foreach (byte octet in character)
                accepted &= cut.Accepts([octet]);
            if (!accepted || !cut.EndsHere())
                Assert.Fail($"U+{value:X4}");
        }
    }

    // The bytes, and how many of them are a beginning of valid UTF-8.
    [Theory]
    [InlineData("80", 0)]                 // a continuation byte with nothing to continue
    [InlineData("BF", 0)]
    [InlineData("6180", 1)]
    [InlineData("C3A9A9", 2)]             // one too many
    [InlineData("C080", 0)]               // overlong forms
    [InlineData("C1BF", 0)]
    [InlineData("E08080", 1)]
    [InlineData("E09FBF", 1)]
    [InlineData("F0808080", 1)]
    [InlineData("F08FBFBF", 1)]
    [InlineData("EDA080", 1)]             // surrogates, alone and in a pair
    [InlineData("EDBFBF", 1)]
    [InlineData("EDA080EDB080", 1)]
    [InlineData("F4908080", 1)]           // above U+10FFFF
    [InlineData("F5808080", 0)]
    [InlineData("F888808080", 0)]         // the five and six byte forms of old
    [InlineData("FC8480808080", 0)]
    [InlineData("FE", 0)]
    [InlineData("FF", 0)]
    [InlineData("C341", 1)]               // a character that breaks off
    [InlineData("E28241", 2)]
    [InlineData("F09F9841", 3)]
    [InlineData("F09F98C3A9", 3)]
    [InlineData("CEBAE1BDB9CF83CEBCCEB5EDA080656469746564", 12)] // Autobahn 6.3
    [InlineData("CEBAE1BDB9CF83CEBCCEB5F4908080656469746564", 12)] // Autobahn 6.4
    public void Fails_at_the_first_bad_byte_wherever_the_text_is_cut(string hex, int good)
    {
        byte[] bytes = Convert.FromHexString(hex);
        for (int cut = 0; cut <= good; cut++)
        {
            Utf8Validator validator = default;
            Assert.True(validator.Accepts(bytes.AsSpan(0, cut)));
            Assert.True(validator.Accepts(bytes.AsSpan(cut, good - cut)));
            Assert.False(validator.Accepts(bytes.AsSpan(good, 1)));

            validator = default;
            Assert.True(validator.Accepts(bytes.AsSpan(0, cut)));
            Assert.False(validator.Accepts(bytes.AsSpan(cut)));
        }
    }

    [Theory]
    [InlineData("C3")]
    [InlineData("E2")]
    [InlineData("E282")]
    [InlineData("F0")]
    [InlineData("F09F")]
    [InlineData("F09F98")]
    [InlineData("616263F09F98")]
    public void An_unfinished_character_is_fine_until_the_text_ends_there(string hex)
    {
        Utf8Validator whole = default;
        Assert.True(whole.Accepts(Convert.FromHexString(hex)));
        Assert.False(whole.EndsHere());

        Utf8Validator cut = default;
        Assert.All(Convert.FromHexString(hex), octet => Assert.True(cut.Accepts([octet])));
        Assert.False(cut.EndsHere());
    }

    [Fact]
    public void Begins_anew_after_the_end()
    {
        Utf8Validator validator = default;
        Assert.True(validator.Accepts([0xF0, 0x9F]));
        Assert.False(validator.EndsHere());
        Assert.True(validator.EndsHere());
        Assert.True(validator.Accepts("a"u8));
        Assert.True(validator.EndsHere());
    }

    [Fact]
    public void Empty_pieces_change_nothing()
    {
        Utf8Validator validator = default;
        Assert.True(validator.Accepts([]));
        Assert.True(validator.Accepts([0xE2, 0x82]));
        Assert.True(validator.Accepts([]));
        Assert.True(validator.Accepts([0xAC]));
        Assert.True(validator.Accepts([]));
        Assert.True(validator.EndsHere());
    }

    [Fact]
    public void Judges_all_sequences_of_two_bytes_as_the_reference_does_however_they_are_cut()
    {
        byte[] bytes = new byte[2];
        for (int value = 0; value <= 0xFFFF; value++)
        {
            (bytes[0], bytes[1]) = ((byte)(value >> 8), (byte)value);
            AssertJudgedAsByReference(bytes);
        }
    }

    // The first byte of a sequence of two or more; what begins with another is told by the sequences of two.
    [Fact]
    public void Judges_all_sequences_of_three_bytes_as_the_reference_does_however_they_are_cut()
    {
        byte[] bytes = new byte[3];
        for (int value = 0xC0_0000; value <= 0xFF_FFFF; value++)
        {
            (bytes[0], bytes[1], bytes[2]) = ((byte)(value >> 16), (byte)(value >> 8), (byte)value);
            AssertJudgedAsByReference(bytes);
        }
    }

    [Fact]
    public void Judges_sequences_of_four_bytes_from_every_class_as_the_reference_does_however_they_are_cut()
    {
        foreach (byte first in ClassEnds)
            foreach (byte second in ClassEnds)
                foreach (byte third in ClassEnds)
                    foreach (byte fourth in ClassEnds)
                        AssertJudgedAsByReference([first, second, third, fourth]);
    }

    // Each bit of cuts that is set cuts behind the byte of its number.
    private static void AssertJudgedAsByReference(ReadOnlySpan<byte> bytes)
    {
        (int good, bool ends) = Reference(bytes);
        for (int cuts = 0; cuts < 1 << (bytes.Length - 1); cuts++)
        {
            Utf8Validator validator = default;
            bool accepted = true;
            for (int from = 0, to = 1; accepted && to <= bytes.Length; to++)
            {
                if (to < bytes.Length && (cuts >> (to - 1) & 1) == 0)
                    continue;
                accepted = validator.Accepts(bytes[from..to]);
                if (accepted != (to <= good))
                    Assert.Fail($"{Convert.ToHexString(bytes)}, cuts {cuts:B}: {(accepted ? "accepted" : "refused")} after {to} bytes.");
                from = to;
            }

            if (accepted && validator.EndsHere() != ends)
                Assert.Fail($"{Convert.ToHexString(bytes)}, cuts {cuts:B}: the end is judged wrongly.");
        }
    }

    // RFC 3629 4, rule by rule: how many bytes are a beginning of valid UTF-8, and whether no character is unfinished after them.
    private static (int Good, bool Ends) Reference(ReadOnlySpan<byte> bytes)
    {
        int left = 0;
        (byte low, byte high) = ((byte)0x80, (byte)0xBF); // what the next byte of the character may be
        for (int i = 0; i < bytes.Length; i++)
        {
            byte octet = bytes[i];
            if (left > 0)
            {
                if (octet < low || octet > high)
                    return (i, false);
                left--;
                (low, high) = (0x80, 0xBF);
                continue;
            }

            left = octet switch
            {
                <= 0x7F => 0,              // UTF8-1 = %x00-7F
                >= 0xC2 and <= 0xDF => 1,  // UTF8-2 = %xC2-DF, one tail
                >= 0xE0 and <= 0xEF => 2,  // UTF8-3 = %xE0 %xA0-BF / %xE1-EC / %xED %x80-9F / %xEE-EF, two tails
                >= 0xF0 and <= 0xF4 => 3,  // UTF8-4 = %xF0 %x90-BF / %xF1-F3 / %xF4 %x80-8F, three tails
                _ => -1,
            };
            if (left < 0)
                return (i, false);
            low = octet switch { 0xE0 => 0xA0, 0xF0 => 0x90, _ => 0x80 };
            high = octet switch { 0xED => 0x9F, 0xF4 => 0x8F, _ => 0xBF };
        }

        return (bytes.Length, left == 0);
    }
}
