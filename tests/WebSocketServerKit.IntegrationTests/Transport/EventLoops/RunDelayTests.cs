using System.Runtime.Versioning;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Transport.EventLoops;

[SupportedOSPlatform("linux")]
public class RunDelayTests
{
    [Fact]
    public async Task A_thread_that_others_keep_from_running_has_a_delay()
    {
        LinuxOnly.Demand();
        bool isOver = false;
        RunDelay? delay = null;
        Thread[] threads = [.. Enumerable.Range(0, 2 * Environment.ProcessorCount).Select(_ => new Thread(Spin))];
        Array.ForEach(threads, thread => thread.Start());
        await Polling.UntilAsync(() => Volatile.Read(ref delay)?.Total > TimeSpan.FromMilliseconds(10));
        Volatile.Write(ref isOver, true);
        Array.ForEach(threads, thread => thread.Join());
        await Polling.UntilAsync(() => delay!.Total == TimeSpan.Zero); // the system's thread ends a little later

        void Spin()
        {
            Interlocked.CompareExchange(ref delay, RunDelay.OfThisThread(), null);
            while (!Volatile.Read(ref isOver))
                Thread.SpinWait(100);
        }
    }

    [Theory]
    [InlineData("125151 2000 1\n", 20)]
    [InlineData("125151 2000", 20)]
    [InlineData("125151", 0)]
    [InlineData("", 0)]
    [InlineData("1 x 2", 0)]
    [InlineData("1 -5 2", 0)]
    public void The_delay_is_the_second_number_in_nanoseconds(string text, long ticks) => Assert.Equal(TimeSpan.FromTicks(ticks), RunDelay.Parse(text));
}
