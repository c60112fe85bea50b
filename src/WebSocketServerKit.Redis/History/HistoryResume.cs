namespace WebSocketServerKit;

/// <summary>What <see cref="RedisHistory.ResumeAsync"/> has done.</summary>
/// <param name="IsLive">False if the client has left meanwhile, or <see cref="RedisHistory.Leave"/> was called. Otherwise it gets each new message.</param>
/// <param name="Offset">That of the last message that was sent to the client; without one, the place from which it gets new ones. The client resumes with it if no message follows.</param>
/// <param name="Replayed">How many messages were sent from the stream.</param>
/// <param name="Gap">What the client has missed and does not get, from the first such message to the last; null if nothing is missing.</param>
public readonly record struct HistoryResume(bool IsLive, HistoryOffset Offset, int Replayed, HistoryGap? Gap);
