-- Everything that was taken from a partition and not acknowledged goes back in front of its list, in the order taken, at
-- once: half of it put back while somebody takes would be another order. The message is what TAKE found, byte by byte;
-- `frame` is how many bytes TAKE put behind it. All go to the list of the highest priority, which is read first.
-- Returns how many they were, or the error of a push; what could not be pushed is recorded as before.
local function put_back(unacked, index, list, frame)
    local taken, count = redis.call('ZRANGE', index, 0, -1, 'WITHSCORES'), 0
    for at = #taken - 1, 1, -2 do
        local tag, time = taken[at], taken[at + 1]
        local record = redis.call('HGET', unacked, tag)
        redis.call('ZREM', index, tag) -- the first write: after one, a full server refuses no other
        if record then
            local pushed = redis.pcall('RPUSH', list, string.sub(record, 2, -1 - frame))
            if type(pushed) == 'table' and pushed.err then
                redis.call('ZADD', index, time, tag)
                return redis.error_reply(pushed.err)
            end
            redis.call('HDEL', unacked, tag)
            count = count + 1
        end
    end
    return count
end
