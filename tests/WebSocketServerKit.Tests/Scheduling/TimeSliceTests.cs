using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Scheduling;

public sealed class TimeSliceTests
{
    private readonly SliceClock _clock = ConnectionStage.StoppedClock();

    [Fact]
    public void It_begins_with_the_first_question_and_is_over_with_the_second_tick()
    {
        _clock.AddTick();
        var slice = new TimeSlice(_clock);
        Assert.False(slice.IsOver);
        Assert.False(slice.IsOver);
        _clock.AddTick();
        Assert.False(slice.IsOver);
        _clock.AddTick();
        Assert.True(slice.IsOver);
        Assert.True(slice.IsOver);
    }

    [Fact]
    public void Ended_it_begins_anew_with_the_next_question()
    {
        var slice = new TimeSlice(_clock);
        Assert.False(slice.IsOver);
        _clock.AddTick();
        _clock.AddTick();
        slice.End();
        Assert.False(slice.IsOver);
        _clock.AddTick();
        Assert.False(slice.IsOver);
        _clock.AddTick();
        Assert.True(slice.IsOver);
    }
}
