using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Connections.Sending;

public sealed class SendGateTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private SendGate _gate = new();
    private long _count; // guarded by the gate

    [Fact]
    public void One_thread_at_a_time_is_inside_while_the_bias_comes_and_goes()
    {
        const int Batches = 2_000, Foreign = 20_000;
        int inBatches = 0;
        Thread owner = Start(() =>
        {
            Cork cork = Cork.Put(ConnectionStage.StoppedClock())!;
            for (int batch = 0; batch < Batches; batch++)
            {
                _gate.Bias(cork);
                for (int i = 0; i < 100; i++)
                    CountOne();
                inBatches += 100;
                _gate.Unbias();
            }

            cork.Pull();
        });
        Thread[] others = [.. Enumerable.Range(0, 2).Select(_ => Start(() =>
        {
            for (int i = 0; i < Foreign; i++)
                CountOne();
        }))];

        Assert.All([owner, .. others], thread => Assert.True(thread.Join(Patience)));

        Assert.Equal(inBatches + (2 * Foreign), _count);
    }

    [Fact]
    public void Another_thread_waits_until_the_owner_has_left() =>
        OnThreadOfItsOwn(cork =>
        {
            _gate.Bias(cork);
            Thread other;
            using (_gate.Enter())
            {
                other = Start(CountOne);
                Assert.True(SpinWait.SpinUntil(() => !_gate.IsBiased, Patience));
                Assert.False(other.Join(0));
                Assert.Equal(0, _count);
            }

            Assert.True(other.Join(Patience));
            CountOne();
            Assert.Equal(2, _count);
            _gate.Unbias();
        });

    [Fact]
    public void After_a_revocation_some_batches_pass_without_bias() =>
        OnThreadOfItsOwn(cork =>
        {
            _gate.Bias(cork);
            Assert.True(_gate.IsBiased);
            Assert.True(Start(CountOne).Join(Patience));
            Assert.False(_gate.IsBiased);
            _gate.Unbias();

            int unbiased = 0;
            for (_gate.Bias(cork); !_gate.IsBiased; _gate.Bias(cork))
                unbiased++;

            Assert.Equal(64, unbiased);
            _gate.Unbias();
        });

    [Fact]
    public void Who_enters_is_told_its_own_cork() =>
        OnThreadOfItsOwn(cork =>
        {
            using (SendGate.Scope gate = _gate.Enter())
                Assert.Same(cork, gate.Cork);
            _gate.Bias(cork);
            using (SendGate.Scope gate = _gate.Enter())
                Assert.Same(cork, gate.Cork);
            Cork? seen = cork;
            Assert.True(Start(() =>
            {
                using SendGate.Scope gate = _gate.Enter();
                seen = gate.Cork;
            }).Join(Patience));
            Assert.Null(seen);
            _gate.Unbias();
        });

    // What happened to a thread's cork before is still known to it.
    private static void OnThreadOfItsOwn(Action<Cork> test)
    {
        Exception? failure = null;
        Thread thread = Start(() =>
        {
            Cork cork = Cork.Put(ConnectionStage.StoppedClock())!;
            failure = Record.Exception(() => test(cork));
            cork.Pull();
        });
        Assert.True(thread.Join(2 * Patience));
        Assert.Null(failure);
    }

    private static Thread Start(ThreadStart work)
    {
        Thread thread = new(work) { IsBackground = true };
        thread.Start();
        return thread;
    }

    private void CountOne()
    {
        using (_gate.Enter())
            _count++;
    }
}
