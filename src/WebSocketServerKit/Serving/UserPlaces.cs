namespace WebSocketServerKit.Serving;

/// <summary>Limits the connections of each user. A place is taken before the handshake is accepted, so concurrent handshakes cannot exceed the limit. Thread-safe.</summary>
internal sealed class UserPlaces(int maxPerUser)
{
    private readonly Dictionary<string, int> _taken = new(StringComparer.Ordinal); // no entry for 0

    /// <summary>The users that have connections.</summary>
    public int Users
    {
        get
        {
            lock (_taken)
                return _taken.Count;
        }
    }

    /// <summary>Takes a place. False if the user has as many connections as allowed.</summary>
    public bool TryTake(string userId)
    {
        lock (_taken)
        {
            int count = _taken.GetValueOrDefault(userId);
            if (count >= maxPerUser)
                return false;
            _taken[userId] = count + 1;
            return true;
        }
    }

    /// <summary>Gives a place back. Once for each that was taken.</summary>
    public void Release(string userId)
    {
        lock (_taken)
        {
            if (--_taken[userId] == 0)
                _taken.Remove(userId);
        }
    }
}
