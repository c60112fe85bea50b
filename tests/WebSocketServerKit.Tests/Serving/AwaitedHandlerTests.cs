using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Serving;

public sealed class AwaitedHandlerTests
{
    private readonly Scope _scope = new();

    [Fact]
    public void A_task_that_has_ended_costs_the_scope_nothing()
    {
        _scope.Run(() => AwaitedHandler.Follow(ValueTask.CompletedTask));
        _scope.Run(() => AwaitedHandler.Follow(Task.CompletedTask));
        Assert.Equal((0, 0), (_scope.Started, _scope.Completed));
    }

    [Fact]
    public async Task A_task_that_goes_on_is_followed_to_its_end()
    {
        TaskCompletionSource going = Timely.Signal();
        _scope.Run(() => AwaitedHandler.Follow(going.Task));
        Assert.Equal((1, 0), (_scope.Started, _scope.Completed));
        going.SetResult();
        await _scope.WhenCompleted.InTime();
        Assert.Empty(_scope.Thrown);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_a_task_throws_goes_to_the_scope_whether_at_once_or_later(bool later)
    {
        TaskCompletionSource going = Timely.Signal();
        if (!later)
            going.SetException(new InvalidDataException());
        _scope.Run(() => AwaitedHandler.Follow(going.Task));
        going.TrySetException(new InvalidDataException());
        await _scope.WhenCompleted.InTime();
        Assert.IsType<InvalidDataException>(Assert.Single(_scope.Thrown));
    }

    [Fact]
    public void Null_in_place_of_a_task_is_named()
    {
        var exception = Assert.Throws<InvalidOperationException>(() => AwaitedHandler.Follow(null));
        Assert.Contains("returned null", exception.Message, StringComparison.Ordinal);
    }

    private sealed class Scope : SynchronizationContext
    {
        private readonly TaskCompletionSource _completed = Timely.Signal();

        public int Started { get; private set; }

        public int Completed { get; private set; }

        public List<Exception> Thrown { get; } = [];

        public Task WhenCompleted => _completed.Task;

        public void Run(Action handler)
        {
            SynchronizationContext? outer = Current;
            SetSynchronizationContext(this);
            try
            {
                handler();
            }
            finally
            {
                SetSynchronizationContext(outer);
            }
        }

        public override void OperationStarted() => Started++;

        public override void OperationCompleted()
        {
            Completed++;
            _completed.SetResult();
        }

        // An async void method posts what it throws.
        public override void Post(SendOrPostCallback d, object? state)
        {
            try
            {
                d(state);
            }
            catch (Exception exception)
            {
                Thrown.Add(exception);
            }
        }
    }
}
