using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using WebSocketServerKit.Scheduling;

namespace WebSocketServerKit.Transport.EventLoops;

/// <summary>
/// A thread that waits for the events of many sockets, and goes on there with what waits for them: receiving, parsing, handlers, writing.
/// <para>A handler may block. The clock sees a turn that takes longer than <see cref="TakeOverTicks"/>. Then another thread takes over: it goes on with the next event, and the blocked thread ends
/// when it comes back.</para>
/// <para>Invariants: one thread has the turn to take events; who has lost it, takes none. A connection is served by one thread at a time, since it waits only when nobody serves it.</para>
/// </summary>
[SupportedOSPlatform("linux")]
internal sealed class EventLoop : ITicked
{
    /// <summary>The ticks of 4 ms that one turn may take.</summary>
    public const int TakeOverTicks = 3;

    /// <summary>The ticks after which a thread that was taken over, and has not come back, is told of.</summary>
    public const int BlockedTicks = 25;

    // Of those ticks: with a longer run delay, it is the machine that is busy.
    private static readonly TimeSpan BusyRunDelay = TimeSpan.FromMilliseconds(50);

    // The ticks for which the handlers of a client run on the thread pool after one of them has blocked.
    private const int OffLoopTicks = 250;

    private readonly Epoll _epoll = new();
    private readonly SliceClock _clock;
    private readonly string _name;
    private readonly Action<TransportConnection>? _blocked;
    private readonly Action<Thread> _start;
    private readonly Lock _gate = new();
    private readonly Stack<int> _free = new(); // guarded by _gate, as are all changes of the connections
    private EventLoopConnection?[] _connections = new EventLoopConnection?[64];
    private EventLoopListener[] _listeners = [];
    private int _used;
    private int _count;
    private uint _added;
    private long _lastListenerKey = Epoll.WakeKey; // the keys of connections are positive

    // The thread that has the turn writes these fields.
    private int _found;
    private int _next;
    private EventLoopConnection? _served; // null while connections are accepted

    private LoopThread _owner; // guarded by _gate
    private readonly List<LostTurn> _lost = []; // of threads that were taken over, for the clock's thread
    private int _isStopped;
    private int _seenTurn;
    private int _seenTicks;
    private int _longestTurn; // in ticks, since it was taken

    /// <param name="pool">The pool for the buffers of connections.</param>
    /// <param name="clock">Tells how long a turn takes.</param>
    /// <param name="name">Of its thread.</param>
    /// <param name="blocked">Told of a connection whose handler blocks its thread for 100 ms and more. On the thread pool.</param>
    /// <param name="start">Starts its threads; null for <see cref="Thread.UnsafeStart()"/>.</param>
    /// <exception cref="IOException">The system has no descriptors left.</exception>
    /// <exception cref="OutOfMemoryException">The system has no threads left.</exception>
    public EventLoop(ArrayPool<byte> pool, SliceClock clock, string name, Action<TransportConnection>? blocked = null, Action<Thread>? start = null)
    {
        _start = start ?? (static thread => thread.UnsafeStart());
        Pool = pool;
        _clock = clock;
        _name = name;
        _blocked = blocked;
        try
        {
            StartThread();
        }
        catch
        {
            _epoll.Close();
            throw;
        }

        clock.Watch(this);
    }

    /// <summary>The number of its connections. A snapshot.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>The pool for the buffers of its connections.</summary>
    public ArrayPool<byte> Pool { get; }

    /// <summary>Identifies a connection: no other one of the loop that an event may still be told of has the key, and no listener.</summary>
    /// <param name="added">The number of connections before it, modulo 2^32. Keys come again after 2^31 of them.</param>
    /// <param name="slot">Its place in the loop's table.</param>
    public static long KeyOf(uint added, int slot) => ((long)(added & int.MaxValue) << 32) | (uint)slot;

    /// <summary>Whether the handlers of a client run on the thread pool at this tick.</summary>
    public static bool IsOffLoop(int now, int until) => unchecked(until - now) is > 0 and <= OffLoopTicks;

    /// <summary>Watches a connection that was made for this loop.</summary>
    /// <exception cref="IOException">The system cannot watch more sockets.</exception>
    public void Add(EventLoopConnection connection)
    {
        lock (_gate)
        {
            if (!_free.TryPop(out int slot))
                slot = _used++;
            if (slot == _connections.Length)
                Array.Resize(ref _connections, 2 * slot);
            connection.Key = KeyOf(_added++, slot);
            _connections[slot] = connection;
            _count++;
        }

        try
        {
            _epoll.Watch(connection.Socket, connection.Key);
        }
        catch
        {
            Remove(connection);
            throw;
        }
    }

    /// <summary>Watches a listener until it is closed.</summary>
    /// <exception cref="IOException">The system cannot watch more sockets.</exception>
    public void Add(EventLoopListener listener, SafeHandle socket)
    {
        lock (_gate)
        {
            listener.Key = --_lastListenerKey;
            _listeners = [.. _listeners, listener];
        }

        try
        {
            _epoll.Watch(socket, listener.Key);
        }
        catch
        {
            Remove(listener, socket);
            throw;
        }
    }

    /// <summary>Forgets a listener that is about to be closed.</summary>
    public void Remove(EventLoopListener listener, SafeHandle socket)
    {
        lock (_gate)
            _listeners = [.. _listeners.Where(other => other != listener)];
        _epoll.Forget(socket);
    }

    /// <summary>Tells the events of a listener once more if it is still readable, after those of others.</summary>
    public void Rearm(EventLoopListener listener, SafeHandle socket) => _epoll.Rearm(socket, listener.Key);

    /// <summary>Forgets a connection whose socket is closed, or is about to be.</summary>
    public void Remove(EventLoopConnection connection)
    {
        int slot = (int)connection.Key;
        lock (_gate)
        {
            if (_connections[slot] != connection)
                return;
            _connections[slot] = null;
            _free.Push(slot);
            _count--;
        }
    }

    /// <summary>Ends the thread when its turn is over. Called when all connections are closed; further calls do nothing.</summary>
    public void Stop()
    {
        if (Interlocked.Exchange(ref _isStopped, 1) == 0)
            _epoll.Wake();
    }

    /// <summary>The most ticks that a turn has taken since the last call. From any thread; one of several calls at the same time gets them.</summary>
    public int TakeLongestTurn() => Interlocked.Exchange(ref _longestTurn, 0);

    /// <summary>Takes the loop over if a turn has taken too long.</summary>
    public void Ticked(SliceClock clock)
    {
        WatchLost(clock);
        int turn = _owner.Position;
        bool isInTurn = (turn & 1) != 0;
        if (isInTurn)
            clock.Ask(); // nobody else may do so: the loop asks only before it waits
        if (!isInTurn || turn != _seenTurn)
            (_seenTurn, _seenTicks) = (turn, 0);
        else if (++_seenTicks >= TakeOverTicks)
            TakeOver(turn);
        if (_seenTicks > _longestTurn)
            _longestTurn = _seenTicks;
    }

    private void TakeOver(int turn)
    {
        lock (_gate)
        {
            LoopThread owner = _owner;
            if (!owner.TryTakeOver(turn))
                return;
            EventLoopConnection? blocking = _served;
            try
            {
                StartThread();
            }
            catch (Exception)
            {
                // The system has no threads left, and this is the clock's. The owner goes on when it can, unless the next tick finds a thread.
                _owner = owner;
                owner.KeepTurn();
                return;
            }

            if (blocking is not null)
                blocking.OffLoopUntil = _clock.Now + OffLoopTicks;
            if (blocking is not null && _blocked is not null)
                _lost.Add(new LostTurn(owner, turn, blocking, owner.RunDelay, Ticks: 0));
        }
    }

    // A turn may also take long because the machine is busy. So what comes back soon is not told, nor what has waited for a core for most of the time.
    private void WatchLost(SliceClock clock)
    {
        for (int i = _lost.Count - 1; i >= 0; i--)
        {
            LostTurn lost = _lost[i];
            if (lost.Thread.Position != lost.Turn)
            {
                _lost.RemoveAt(i);
                continue;
            }

            clock.Ask();
            _lost[i] = lost with { Ticks = lost.Ticks + 1 };
            if (lost.Ticks < BlockedTicks)
                continue;
            TimeSpan delay = lost.Thread.RunDelay;
            if (delay - lost.RunDelay >= BusyRunDelay)
            {
                _lost[i] = lost with { RunDelay = delay, Ticks = 0 };
                continue;
            }

            _lost.RemoveAt(i);
            ThreadPool.UnsafeQueueUserWorkItem(_blocked!, lost.Blocking, preferLocal: false);
        }
    }

    [MemberNotNull(nameof(_owner))]
    private void StartThread()
    {
        _owner = new LoopThread(this);
        _start(new Thread(_owner.Run) { IsBackground = true, Name = _name });
    }

    private bool IsOwner(LoopThread thread)
    {
        lock (_gate)
            return _owner == thread;
    }

    private EventLoopConnection? Find(long key)
    {
        EventLoopConnection?[] connections = Volatile.Read(ref _connections);
        return (uint)key < (uint)connections.Length && connections[(int)key] is { } connection && connection.Key == key ? connection : null;
    }

    /// <param name="Thread">The thread, which was taken over.</param>
    /// <param name="Turn">Its position at that time.</param>
    /// <param name="Blocking">Whom it served.</param>
    /// <param name="RunDelay">The thread's run delay when the ticks began.</param>
    /// <param name="Ticks">So long it has not come back.</param>
    private readonly record struct LostTurn(LoopThread Thread, int Turn, EventLoopConnection Blocking, TimeSpan RunDelay, int Ticks);

    /// <summary>One thread of the loop, from when it takes over until it has lost the turn.</summary>
    internal sealed class LoopThread(EventLoop loop)
    {
        [ThreadStatic]
        private static LoopThread? _current;

        private ReadBuffer _buffer = new(loop.Pool);
        private bool _hasBuffer;
        private EventLoopInput? _borrower;
        private int _lease;
        private int _lent;
        private int _position; // odd during a turn
        private RunDelay? _runDelay; // null until it runs
        private volatile bool _isTakenOver; // set by the clock; then this thread asks under the lock whether it has lost the turn

        /// <summary>The one of this thread; null on a thread that is no loop's.</summary>
        public static LoopThread? Current => _current;

        /// <summary>Different for each turn, and odd during a turn.</summary>
        public int Position => Volatile.Read(ref _position);

        /// <summary>How long it has waited for a core.</summary>
        public TimeSpan RunDelay => _runDelay?.Total ?? TimeSpan.Zero;

        /// <summary>What to receive into.</summary>
        public ReadBuffer Buffer
        {
            get
            {
                if (!_hasBuffer)
                    _buffer.Take();
                _hasBuffer = true;
                _buffer.Rewind();
                if (!_buffer.IsFull)
                    return _buffer;
                _buffer.Release();
                _buffer = new ReadBuffer(loop.Pool);
                _buffer.Take();
                return _buffer;
            }
        }

        /// <summary>
        /// Whether an input may receive into the buffer: no other one has received into it in this turn. A handler can run what waits in another client, and that client's reader, in its own turn.
        /// </summary>
        public bool CanLendTo(EventLoopInput input) => _borrower is null || _borrower == input;

        /// <summary>Notes who has received into the buffer.</summary>
        public void Lend(EventLoopInput borrower, int lease, int count) => (_borrower, _lease, _lent) = (borrower, lease, count);

        /// <summary>Takes the turn from the thread. False if the turn is over. Called inside the loop's lock.</summary>
        public bool TryTakeOver(int turn)
        {
            _isTakenOver = true;
            // Asymmetric fence: the thread writes _position and then reads _isTakenOver without a fence. Either it sees that it is taken over, or its new position is seen here.
            Interlocked.MemoryBarrierProcessWide();
            return _isTakenOver = Position == turn;
        }

        /// <summary>Undoes <see cref="TryTakeOver"/>. Called inside the loop's lock.</summary>
        public void KeepTurn() => _isTakenOver = false;

        public void Run()
        {
            _current = this;
            _runDelay = EventLoops.RunDelay.OfThisThread();
            while (TryServe())
            {
                // Until it has lost the turn, or the loop is stopped.
            }

            ReleaseBuffer();
        }

        // A loop that waits holds no memory, except what its clients have kept.
        private void ReleaseBuffer()
        {
            if (_hasBuffer)
                _buffer.Release();
            _hasBuffer = false;
        }

        private bool TryServe()
        {
            if (loop._next < loop._found)
            {
                (PollEvents events, long key) = loop._epoll[loop._next++];
                if (key >= 0)
                    return loop.Find(key) is not { } connection || Serve(connection, events);
                if (key != Epoll.WakeKey)
                    return Accept(key);
                loop._epoll.Close();
                return false;
            }

            ReleaseBuffer();
            loop._found = loop._epoll.Wait();
            loop._next = 0;
            loop._clock.Ask();
            return true;
        }

        // False when the thread has lost the turn.
        private bool Serve(EventLoopConnection connection, PollEvents events)
        {
            loop._served = connection;
            BeginTurn();
            connection.Signal(events, onPool: IsOffLoop(loop._clock.Now, connection.OffLoopUntil));
            if (_borrower is { } borrower)
            {
                _borrower = null;
                borrower.EndLoan(_lease, _buffer, _lent);
            }

            return EndTurn();
        }

        private bool Accept(long key)
        {
            loop._served = null;
            BeginTurn();
            foreach (EventLoopListener listener in Volatile.Read(ref loop._listeners))
                if (listener.Key == key)
                    listener.Signal();
            return EndTurn();
        }

        private void BeginTurn() => Volatile.Write(ref _position, _position + 1);

        // False when the thread has lost the turn.
        private bool EndTurn()
        {
            Volatile.Write(ref _position, _position + 1);
            return !_isTakenOver || loop.IsOwner(this);
        }
    }
}
