namespace WebSocketServerKit.Serving;

/// <summary>Has the task of a handler followed in the same way as an <c>async void</c> handler is: by the handler scope in which it was called.</summary>
internal static class AwaitedHandler
{
    /// <summary>Follows the task, if there is anything to wait for.</summary>
    public static void Follow(ValueTask handling)
    {
        if (handling.IsCompletedSuccessfully)
            handling.GetAwaiter().GetResult();
        else
            Await(handling);
    }

    /// <inheritdoc cref="Follow(ValueTask)"/>
    public static void Follow(Task? handling) => Follow(new ValueTask(TaskOf(handling)));

    /// <exception cref="InvalidOperationException">It is null.</exception>
    public static Task TaskOf(Task? handling) =>
        handling ?? throw new InvalidOperationException("A handler returned null in place of a task. Return Task.CompletedTask, or make it an async lambda.");

    // An async void method tells its SynchronizationContext when it begins, ends and fails. Nothing of the host's runs behind the await, so it needs no context.
    private static async void Await(ValueTask handling) => await handling.ConfigureAwait(false);
}
