namespace WebSocketServerKit.Presence;

/// <summary>
/// What runs inside Redis, each script atomically. A node's registration has these keys, all behind <c>{prefix}:presence:</c>, which is the first argument of every script:
/// <list type="bullet">
/// <item><c>nodes</c>: a sorted set of the registrations; the score is the deadline, in milliseconds of Redis' clock, after which a registration does not count any more. It never counts again.</item>
/// <item><c>(registration):node</c>: a hash with the time of the last heartbeat and the number of the last call.</item>
/// <item><c>(registration):clients</c>: a hash of the clients by id, each as <see cref="StoredClient"/> writes it.</item>
/// <item><c>(registration):user:(id)</c> and <c>(registration):group:(name)</c>: the sets of the ids of a user's and of a group's clients.</item>
/// </list>
/// The keys of a registration are not known before the call, so only <c>nodes</c> is declared. The others have the same hash tag, and so are on the same node of a Redis cluster.
/// </summary>
internal static class PresenceScripts
{
    /// <summary>
    /// Writes changes, and is a heartbeat. Arguments: registration, number of the call, expiry in milliseconds, the registration that this one replaces, then id and client of each change; no client
    /// means that it has left. Call 0 registers. Returns 0 if Redis does not know the registration, or lacks a call of it: then nothing is written. A call that is repeated is not applied again.
    /// </summary>
    public const string Write = Now + Sets + """
        local base, registration, number, expiry, replaced = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
        local node, clients = base .. registration .. ':node', base .. registration .. ':clients'
        local deadline = redis.call('ZSCORE', KEYS[1], registration)
        local last = redis.call('HGET', node, 'call')
        local isNext
        if deadline then
          if tonumber(deadline) <= now or not last then return 0 end
          isNext = number == last + 1
          if not isNext and number ~= tonumber(last) then return 0 end
        elseif number == 0 then
          isNext = true
          redis.call('ZADD', KEYS[1], 'XX', 0, replaced)
        else
          return 0
        end
        redis.call('ZADD', KEYS[1], now + expiry, registration)
        redis.call('HSET', node, 'beat', now, 'call', number)
        if not isNext then return 1 end

        for i = 6, #ARGV, 2 do
          local id, client = ARGV[i], ARGV[i + 1]
          local before = redis.call('HGET', clients, id)
          if before ~= client then
            local left = {}
            if before then
              for _, set in ipairs(setsOf(registration, before)) do left[set] = true end
            end
            if client == '' then
              redis.call('HDEL', clients, id)
            else
              redis.call('HSET', clients, id, client)
              for _, set in ipairs(setsOf(registration, client)) do
                if left[set] then left[set] = nil else redis.call('SADD', set, id) end
              end
            end
            for set in pairs(left) do redis.call('SREM', set, id) end
          end
        end
        return 1
        """;

    /// <summary>Ends a registration: from then on no query counts it, and its keys are left to <see cref="Remove"/>. Argument: registration.</summary>
    public const string Leave = "return redis.call('ZADD', KEYS[1], 'XX', 'CH', 0, ARGV[2])";

    /// <summary>
    /// One step that removes keys of a registration that has ended. Arguments: registration, or nothing for any; where the scan goes on; the number of keys after which the step ends. Returns the
    /// registration and where to go on; nothing when there is none that has ended.
    /// </summary>
    public const string Remove = Now + Sets + """
        local base, registration, cursor, most = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
        if not redis.call('ZSCORE', KEYS[1], registration) then
          registration = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, 1)[1]
          cursor = '0'
          if not registration then return {} end
        end
        local clients = base .. registration .. ':clients'
        local page = redis.call('HSCAN', clients, cursor, 'COUNT', math.ceil(most / 5))
        local removed = 0
        for i = 1, #page[2], 2 do
          -- What is left of the page is found again by the same cursor.
          if removed >= most then return {registration, cursor} end
          for _, set in ipairs(setsOf(registration, page[2][i + 1])) do
            redis.call('UNLINK', set)
            removed = removed + 1
          end
          redis.call('HDEL', clients, page[2][i])
          removed = removed + 1
        end
        if redis.call('EXISTS', clients) == 0 then
          redis.call('DEL', base .. registration .. ':node')
          redis.call('ZREM', KEYS[1], registration)
        end
        return {registration, page[1]}
        """;

    /// <summary>Counts the clients of all nodes, or the members of a set on all nodes. Argument: <c>clients</c>, or the end of the set's name.</summary>
    public const string Count = Now + Live + """
        local count = 0
        for _, registration in ipairs(live()) do
          count = count + redis.call(ARGV[2] == 'clients' and 'HLEN' or 'SCARD', ARGV[1] .. registration .. ':' .. ARGV[2])
        end
        return count
        """;

    /// <summary>Returns each node's registration, number of clients and time of its last heartbeat.</summary>
    public const string Nodes = Now + Live + """
        local nodes = {}
        for i, registration in ipairs(live()) do
          local own = ARGV[1] .. registration
          nodes[i] = {registration, redis.call('HLEN', own .. ':clients'), redis.call('HGET', own .. ':node', 'beat')}
        end
        return nodes
        """;

    /// <summary>
    /// A page of clients. Arguments: <c>clients</c> for all, or the end of the name of a set for its members; about how many; then registrations and where their scans go on, or nothing to begin with
    /// all nodes. Returns for each of them that still counts the registration, where to go on (<c>0</c>: that was the last page), and a list of ids and clients.
    /// </summary>
    public const string Page = Now + Live + """
        local base, what, most = ARGV[1], ARGV[2], tonumber(ARGV[3])
        local scans = {}
        if #ARGV > 3 then
          for i = 4, #ARGV, 2 do
            local deadline = redis.call('ZSCORE', KEYS[1], ARGV[i])
            if deadline and tonumber(deadline) > now then scans[#scans + 1] = {ARGV[i], ARGV[i + 1]} end
          end
        else
          for i, registration in ipairs(live()) do scans[i] = {registration, '0'} end
        end
        local count = math.ceil(most / math.max(#scans, 1))
        local pages = {}
        for i, scan in ipairs(scans) do
          local own = base .. scan[1] .. ':'
          local page
          local entries = {}
          if what == 'clients' then
            page = redis.call('HSCAN', own .. what, scan[2], 'COUNT', count)
            entries = page[2]
          else
            page = redis.call('SSCAN', own .. what, scan[2], 'COUNT', count)
            local ids = page[2]
            local clients = #ids > 0 and redis.call('HMGET', own .. 'clients', unpack(ids)) or {}
            for k, client in ipairs(clients) do
              entries[2 * k - 1] = ids[k]
              entries[2 * k] = client
            end
          end
          pages[i] = {scan[1], page[1], entries}
        end
        return pages
        """;

    private const string Now = """
        local time = redis.call('TIME')
        local now = time[1] * 1000 + math.floor(time[2] / 1000)

        """;

    private const string Live = """
        local function live() return redis.call('ZRANGEBYSCORE', KEYS[1], string.format('(%.0f', now), '+inf') end

        """;

    private const string Sets = """
        local function setsOf(registration, client)
          local read = cjson.decode(client)
          local sets = {}
          if read.user then sets[1] = ARGV[1] .. registration .. ':user:' .. read.user end
          for _, group in ipairs(read.groups or {}) do sets[#sets + 1] = ARGV[1] .. registration .. ':group:' .. group end
          return sets
        end

        """;
}
