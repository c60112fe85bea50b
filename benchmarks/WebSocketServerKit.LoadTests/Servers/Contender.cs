namespace WebSocketServerKit.LoadTests.Servers;

/// <summary>A server that is measured. It echoes, or it broadcasts what it gets from anyone to all.</summary>
/// <param name="Name">What it is called in options and results.</param>
/// <param name="StartAsync">Starts it on a port of 127.0.0.1 that the system chooses, and gives that port; true for one that broadcasts.</param>
internal sealed record Contender(string Name, Func<bool, Task<int>> StartAsync)
{
    public static readonly Contender Ours = new("ours", OurServer.StartAsync);

    // The buffer that the ASP.NET documentation uses.
    public static readonly Contender Kestrel = new("kestrel-4k", broadcasts => KestrelServer.StartAsync(4 * 1024, broadcasts));

    public static readonly Contender KestrelTuned = new("kestrel-64k", broadcasts => KestrelServer.StartAsync(64 * 1024, broadcasts));

    public static readonly Contender[] All = [Ours, Kestrel, KestrelTuned];

    /// <summary>Serves in this process: prints the port, and ends with the input.</summary>
    public static async Task ServeAsync(string name, bool broadcasts)
    {
        Contender contender = All.Single(contender => contender.Name == name);
        Console.WriteLine(await contender.StartAsync(broadcasts));
        // Reading the console blocks its thread, and of the pool's there is one for each core.
        await Task.Factory.StartNew(
            () =>
            {
                while (Console.In.ReadLine() is not null)
                {
                    // Nothing is asked of it: what it uses is read from outside.
                }
            },
            TaskCreationOptions.LongRunning);
    }
}
