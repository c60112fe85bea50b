using System.Globalization;
using System.Net.Sockets;

namespace WebSocketServerKit.Transport.Sockets;

/// <summary>The sockets that systemd passes to a service (sd_listen_fds(3)): file descriptors from 3 on, announced in environment variables.</summary>
internal static class SystemdSockets
{
    private const int FirstDescriptor = 3; // SD_LISTEN_FDS_START
    private const string Process = "LISTEN_PID";
    private const string Count = "LISTEN_FDS";

    /// <summary>Takes them. Afterwards neither this process nor its children see the variables, so that nobody takes them twice.</summary>
    public static IReadOnlyList<Socket> Take()
    {
        int count = Announced(Environment.GetEnvironmentVariable, Environment.ProcessId);
        if (count == 0)
            return [];
        Environment.SetEnvironmentVariable(Process, null);
        Environment.SetEnvironmentVariable(Count, null);
        return [.. Enumerable.Range(FirstDescriptor, count).Select(descriptor => new Socket(new SafeSocketHandle(descriptor, ownsHandle: true)))];
    }

    /// <summary>The number of sockets that are meant for this process.</summary>
    public static int Announced(Func<string, string?> variable, int processId) =>
        int.TryParse(variable(Process), NumberStyles.None, CultureInfo.InvariantCulture, out int process) && process == processId
        && int.TryParse(variable(Count), NumberStyles.None, CultureInfo.InvariantCulture, out int count) ? count : 0;
}
