using System.Buffers;

namespace WebSocketServerKit.Fuzz.Targets;

/// <summary>Input in segments that end where it was cut, as a PipeReader gives it.</summary>
internal static class Segments
{
    /// <summary>The content from <paramref name="begin"/> to the last of the ends.</summary>
    public static ReadOnlySequence<byte> Of(byte[] content, int begin, IEnumerable<int> ends)
    {
        var first = new Segment(default, null);
        Segment last = first;
        foreach (int end in ends)
        {
            if (end <= begin)
                continue;
            last = new Segment(content.AsMemory(begin..end), last);
            begin = end;
        }

        return new ReadOnlySequence<byte>(first, 0, last, last.Memory.Length);
    }

    private sealed class Segment : ReadOnlySequenceSegment<byte>
    {
        public Segment(ReadOnlyMemory<byte> memory, Segment? before)
        {
            Memory = memory;
            if (before is null)
                return;
            RunningIndex = before.RunningIndex + before.Memory.Length;
            before.Next = this;
        }
    }
}
