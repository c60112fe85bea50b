using System.Diagnostics;

namespace WebSocketServerKit.TestKit;

/// <summary>Listens to the activities of one server, which it knows by its name. Those of other servers are not sampled.</summary>
internal sealed class Spans : IDisposable
{
    private readonly ActivityListener _listener;
    private readonly List<Activity> _stopped = []; // the lock is the list

    /// <param name="server">The name of the server.</param>
    /// <param name="samplesMessages">Whether messages are sampled.</param>
    public Spans(string server, bool samplesMessages = true)
    {
        bool IsMine(ActivityKind kind, IEnumerable<KeyValuePair<string, object?>>? tags) =>
            (samplesMessages || kind != ActivityKind.Consumer) && tags?.Contains(new("websocket.server.name", server)) == true;
        _listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == "WebSocketServerKit",
            Sample = (ref options) => IsMine(options.Kind, options.Tags) ? ActivitySamplingResult.AllDataAndRecorded : ActivitySamplingResult.None,
            ActivityStopped = activity =>
            {
                lock (_stopped)
                    _stopped.Add(activity);
            },
        };
        ActivitySource.AddActivityListener(_listener);
    }

    /// <summary>Those that have ended.</summary>
    public IReadOnlyList<Activity> Ended
    {
        get
        {
            lock (_stopped)
                return [.. _stopped.Where(one => one.Source.Name.Length > 0)];
        }
    }

    public void Dispose() => _listener.Dispose();
}
