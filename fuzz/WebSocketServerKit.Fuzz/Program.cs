using SharpFuzz;
using WebSocketServerKit.Fuzz.Targets;

if (args is not [{ } name] || !FuzzTarget.All.TryGetValue(name, out Action<byte[]>? target))
{
    Console.Error.WriteLine($"Name one target: {string.Join(", ", FuzzTarget.All.Keys)}. The input is read from the standard input; without afl-fuzz around it, once.");
    return 2;
}

// Out of process: an input that hangs or overflows the stack is a finding, and fuzzing goes on.
Fuzzer.OutOfProcess.Run(stream =>
{
    using MemoryStream input = new();
    stream.CopyTo(input);
    target(input.ToArray());
});
return 0;
