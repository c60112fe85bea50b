using System.Diagnostics;

namespace WebSocketServerKit.LoadTests.Measuring;

/// <summary>How long clients waited for a server. Their patience ends: such a wait has failed, and counts as long as the patience.</summary>
internal sealed class Waits(TimeSpan patience)
{
    private readonly TimeSpan _patience = patience;
    private readonly List<double> _milliseconds = [];
    private readonly Queue<Wait> _begun = new(); // the oldest one first
    private int _failed;

    /// <summary>Whether nobody waits.</summary>
    public bool IsIdle
    {
        get
        {
            while (_begun.TryPeek(out Wait? oldest) && oldest.IsOver)
                _begun.Dequeue();
            return _begun.Count == 0;
        }
    }

    /// <param name="failed">Called if nothing comes of it.</param>
    public Wait Begin(Action? failed = null)
    {
        Wait wait = new(this, failed);
        _begun.Enqueue(wait);
        return wait;
    }

    /// <summary>Ends the waits that have lasted too long.</summary>
    public void Expire()
    {
        while (!IsIdle && _begun.Peek().Elapsed >= _patience)
            _begun.Dequeue().Fail();
    }

    public IReadOnlyList<Figure> Figures(string name)
    {
        double[] sorted = [.. _milliseconds.Order()];
        return
        [
            new($"{name} p50 ms", At(0.5), 1),
            new($"{name} p99 ms", At(0.99), 1),
            new($"{name} worst ms", At(1), 1, Highest: true),
            new($"{name} failed", _failed, Highest: true),
        ];

        // That part of them waited so long at most.
        double At(double part) => sorted[(int)Math.Ceiling(part * sorted.Length) - 1];
    }

    /// <summary>One client waits once.</summary>
    internal sealed class Wait(Waits all, Action? failed)
    {
        private readonly long _began = Stopwatch.GetTimestamp();

        public TimeSpan Elapsed => Stopwatch.GetElapsedTime(_began);

        public bool IsOver { get; private set; }

        /// <summary>What was waited for has come, in time or too late.</summary>
        public void End()
        {
            TimeSpan elapsed = Elapsed;
            if (elapsed >= all._patience)
                Fail();
            if (IsOver)
                return;
            IsOver = true;
            all._milliseconds.Add(elapsed.TotalMilliseconds);
        }

        /// <summary>It will not come.</summary>
        public void Fail()
        {
            if (IsOver)
                return;
            IsOver = true;
            all._failed++;
            all._milliseconds.Add(all._patience.TotalMilliseconds);
            failed?.Invoke();
        }
    }
}
