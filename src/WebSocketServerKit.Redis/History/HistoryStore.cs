using System.Buffers.Text;
using System.Globalization;
using System.Net.WebSockets;
using System.Security.Cryptography;
using System.Text;
using StackExchange.Redis;
using WebSocketServerKit.Diagnostics;

namespace WebSocketServerKit.History;

/// <summary>
/// The keys, scripts and messages of histories in Redis. A stream has two keys: a Redis Stream whose entries have the ids <c>1-0</c>, <c>2-0</c>, …, and a hash, the head, with the epoch and the newest number.
/// <para>Invariants: each change is one script, so the order of the channel is that of the stream. A head never exists without its epoch; a stream without a head belongs to an epoch that is lost.</para>
/// </summary>
internal sealed class HistoryStore(IConnectionMultiplexer multiplexer, string prefix, RedisHistoryOptions options, HistoryLog log)
{
    private const int PageLength = 100;      // messages
    private const int PageSize = 64 * 1024;  // bytes; the message that exceeds them is the last of its page

    private const long MaxTime = 253_402_300_799_999; // the year 9999, in Unix milliseconds

    // What both scripts begin with. Arguments: an epoch in case that the stream is new, the time before which messages are too old, the idle time; empty for none.
    private const string Begin = """
        local epoch = redis.call('HGET', KEYS[2], 'epoch')
        if not epoch then
          epoch = ARGV[1]
          redis.call('DEL', KEYS[1])
          redis.call('HSET', KEYS[2], 'epoch', epoch, 'n', 0)
        end
        local function finish()
          while ARGV[2] ~= '' do
            local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
            if not oldest or tonumber(oldest[2][2]) >= tonumber(ARGV[2]) then break end
            redis.call('XDEL', KEYS[1], oldest[1])
          end
          if ARGV[3] ~= '' then
            redis.call('PEXPIRE', KEYS[1], ARGV[3])
            redis.call('PEXPIRE', KEYS[2], ARGV[3])
          end
        end

        """;

    // More arguments: the time, the type, the payload, how many messages to keep, the channel.
    private const string PublishScript = Begin + """
        local n = redis.call('HINCRBY', KEYS[2], 'n', 1)
        local number = string.format('%.0f', n)
        redis.call('XADD', KEYS[1], 'MAXLEN', ARGV[7], number .. '-0', 't', ARGV[4], 'k', ARGV[5], 'p', ARGV[6])
        finish()
        redis.call('PUBLISH', ARGV[8], epoch .. ' ' .. number .. ' ' .. ARGV[4] .. ' ' .. ARGV[5] .. ' ' .. ARGV[6])
        return {epoch, n}
        """;

    // More arguments: the epoch and the number to read behind, or an empty epoch and how many of the newest to read; the largest number and size of the messages.
    private const string ReadScript = Begin + """
        finish()
        local n = tonumber(redis.call('HGET', KEYS[2], 'n'))
        local from = tonumber(ARGV[5])
        if ARGV[4] == '' then from = math.max(0, n - from) elseif ARGV[4] ~= epoch then from = 0 end
        local page, size = {}, 0
        if from < n then
          for _, entry in ipairs(redis.call('XRANGE', KEYS[1], string.format('%.0f-0', from + 1), '+', 'COUNT', ARGV[6])) do
            page[#page + 1] = entry
            size = size + #entry[2][6]
            if size > tonumber(ARGV[7]) then break end
          end
        end
        return {epoch, n, page}
        """;

    private readonly IDatabase _database = multiplexer.GetDatabase();
    private readonly string _keyPrefix = $"{{{prefix}}}:history";
    private readonly RedisValue _maxIdle = options.MaxIdleTime is { } idle ? (long)idle.TotalMilliseconds : RedisValue.EmptyString;

    public RedisChannel ChannelOf(string stream) => RedisChannel.Literal($"{_keyPrefix}:{stream}");

    public async Task<HistoryOffset> PublishAsync(string stream, WebSocketMessageType type, ReadOnlyMemory<byte> payload)
    {
        long now = Now();
        RedisResult[] result = await EvaluateAsync(
            PublishScript, stream, [NewEpoch(), Cutoff(now), _maxIdle, now, (int)type, payload, options.MaxMessages, $"{_keyPrefix}:{stream}"]).ConfigureAwait(false);
        return HeadOf(result);
    }

    /// <summary>Reads a page of the messages behind an offset; from the first one on, if it has another epoch.</summary>
    public async Task<HistoryPage> ReadAsync(string stream, HistoryOffset after)
    {
        RedisResult[] result = await ReadAsync(stream, after.Epoch, after.Number, PageLength).ConfigureAwait(false);
        HistoryOffset head = HeadOf(result);
        return new HistoryPage(head, [.. ((RedisResult[])result[2]!).Select(entry => Prepare(ReadEntry(stream, head.Epoch, (RedisResult[])entry!)))]);
    }

    /// <summary>The offset before so many of the newest messages, or before the oldest one if the stream has fewer.</summary>
    public async Task<HistoryOffset> FindAsync(string stream, int last)
    {
        RedisResult[] result = await ReadAsync(stream, "", last, length: 1).ConfigureAwait(false);
        HistoryOffset head = HeadOf(result);
        return (RedisResult[])result[2]! is [var first] ? head with { Number = ReadEntry(stream, head.Epoch, (RedisResult[])first!).Offset.Number - 1 } : head;
    }

    /// <summary>Reads what the script has published.</summary>
    /// <returns>Null for anything else.</returns>
    public static HistoryMessage? ReadPublished(string stream, ReadOnlyMemory<byte> bytes)
    {
        ReadOnlySpan<byte> rest = bytes.Span;
        string epoch = Encoding.UTF8.GetString(Next(ref rest));
        return Utf8Parser.TryParse(Next(ref rest), out long number, out _) && Utf8Parser.TryParse(Next(ref rest), out long time, out _) && time is >= 0 and <= MaxTime && Utf8Parser.TryParse(Next(ref rest), out int type, out _)
            ? new HistoryMessage(stream, new HistoryOffset(epoch, number), DateTimeOffset.FromUnixTimeMilliseconds(time), (WebSocketMessageType)type, bytes[^rest.Length..])
            : null;

        static ReadOnlySpan<byte> Next(ref ReadOnlySpan<byte> rest)
        {
            int length = Math.Max(0, rest.IndexOf((byte)' '));
            ReadOnlySpan<byte> next = rest[..length];
            rest = rest[Math.Min(length + 1, rest.Length)..];
            return next;
        }
    }

    /// <summary>Makes what clients get.</summary>
    public HistoryEntry Prepare(HistoryMessage message)
    {
        try
        {
            return new HistoryEntry(message.Offset, options.Format is { } format ? format(message) : PreparedMessage.FromBytes(message.Payload.Span, message.MessageType));
        }
        catch (Exception exception)
        {
            log.FormatFailed(new PeerText(message.Stream), new PeerText($"{message.Offset}"), exception);
            return new HistoryEntry(message.Offset, null);
        }
    }

    private static string NewEpoch() => RandomNumberGenerator.GetHexString(16, lowercase: true);

    private static HistoryOffset HeadOf(RedisResult[] result) => new((string)result[0]!, (long)result[1]);

    private static HistoryMessage ReadEntry(string stream, string epoch, RedisResult[] entry)
    {
        string id = (string)entry[0]!;
        var fields = (RedisValue[])entry[1]!; // t, the time, k, the type, p, the payload
        long number = long.Parse(id.AsSpan(0, id.IndexOf('-', StringComparison.Ordinal)), NumberStyles.None, CultureInfo.InvariantCulture);
        return new HistoryMessage(stream, new HistoryOffset(epoch, number), DateTimeOffset.FromUnixTimeMilliseconds((long)fields[1]), (WebSocketMessageType)(int)fields[3], fields[5]);
    }

    private Task<RedisResult[]> ReadAsync(string stream, string epoch, long number, int length) =>
        EvaluateAsync(ReadScript, stream, [NewEpoch(), Cutoff(Now()), _maxIdle, epoch, number, length, PageSize]);

    private async Task<RedisResult[]> EvaluateAsync(string script, string stream, RedisValue[] arguments)
    {
        RedisKey[] keys = [$"{_keyPrefix}:{stream}", $"{_keyPrefix}-head:{stream}"];
        return (RedisResult[])(await _database.ScriptEvaluateAsync(script, keys, arguments).ConfigureAwait(false))!;
    }

    private long Now() => options.TimeProvider.GetUtcNow().ToUnixTimeMilliseconds();

    private RedisValue Cutoff(long now) => options.MaxAge is { } age ? now - (long)age.TotalMilliseconds : RedisValue.EmptyString;
}
