-- Removes records and pushes what they hold where it is to be read next. Only who removes the record pushes, so that
-- two that restore the same message, or one that restores and one that acknowledges, do not make two of it.
--
-- KEYS: unacked hash, unacked index, then the lists.
-- ARGV: for each record its tag, the number of copies, and for each copy the number of the list and the content.
-- Returns how many records there were.
local unacked, index = KEYS[1], KEYS[2]
local at, restored = 1, 0
while at <= #ARGV do
    local tag, copies = ARGV[at], tonumber(ARGV[at + 1])
    local time = redis.call('ZSCORE', index, tag)
    redis.call('ZREM', index, tag) -- the first write: after one, a full server refuses no other
    if redis.call('HEXISTS', unacked, tag) == 1 then
        for copy = 1, copies do
            local pushed = redis.pcall('RPUSH', KEYS[2 + tonumber(ARGV[at + 2 * copy])], ARGV[at + 2 * copy + 1])
            if type(pushed) == 'table' and pushed.err then
                if time then redis.call('ZADD', index, time, tag) end
                return redis.error_reply(pushed.err)
            end
        end
        redis.call('HDEL', unacked, tag)
        restored = restored + 1
    end
    at = at + 2 + 2 * copies
end
return restored
