"""The Lua that the atomic transport runs in Redis or Valkey (6.2 and later): a message is in one place or the other."""

from typing import Final

# Records are timed by the server's clock: one for all workers, whatever their own clocks say.
_CLOCK: Final = """
local function not_before(earliest)
    local time = redis.call('TIME')
    return math.max(time[1] + time[2] / 1000000, tonumber(earliest))
end
"""

# Takes messages and records them as unacknowledged. Nothing is decoded here: the record is the message as it lies in
# the list, wrapped in kombu's own form `[message, exchange, routing key]`, so that its numbers and its size do not
# matter, and it names the queue it came from (the anonymous exchange), so that no lost binding can drop it later.
# The tags are the taker's, never the producer's: two copies of one message keep a record each.
#
# KEYS: unacked hash, unacked index, then the lists: every queue at the first priority, every queue at the next, ...
# ARGV: most messages to take, prefix of the tags, number of the first tag, earliest time of a record (s), count of
#       queues, "1" to move a queue that was served behind the others, the bytes after which no more is taken, then for
#       each queue the end of its records.
# Returns {1 when more messages wait, time of the first record, queue number, message, queue number, message, ...}.
TAKE: Final = (
    _CLOCK
    + """local unacked, index = KEYS[1], KEYS[2]
local limit, prefix, first, time = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3]), not_before(ARGV[4])
local queues, rotate, bytes = tonumber(ARGV[5]), ARGV[6] == '1', tonumber(ARGV[7])

-- A client that repeats a call whose answer it lost must not overwrite the records of that call.
if redis.call('HEXISTS', unacked, prefix .. first) == 1 then
    return redis.error_reply('ERR the delivery tags are in use')
end

local function failed(answer) return type(answer) == 'table' and answer.err end

local function behind(order, position)
    table.insert(order, table.remove(order, position))
end

local order, reply, count = {}, {0, string.format('%.6f', time)}, 0
for queue = 1, queues do order[queue] = queue end

for list = 2, #KEYS - 1, queues do
    local left = {unpack(order)}
    while count < limit and bytes > 0 and #left > 0 do
        local queue = left[1]
        local message = redis.call('RPOP', KEYS[list + queue])
        if not message then
            table.remove(left, 1)
        else
            local tag = prefix .. (first + count)
            local problem = failed(redis.pcall('HSET', unacked, tag, '[' .. message .. ARGV[7 + queue]))
                or failed(redis.pcall('ZADD', index, string.format('%.6f', time + count * 0.000001), tag))
            if problem then
                redis.pcall('HDEL', unacked, tag)
                redis.call('RPUSH', KEYS[list + queue], message)
                if count == 0 then return redis.error_reply(problem) end
                return reply
            end
            count, bytes = count + 1, bytes - #message
            reply[2 * count + 1], reply[2 * count + 2] = queue, message
            if rotate then
                behind(left, 1)
                for position = 1, queues do
                    if order[position] == queue then behind(order, position) break end
                end
            end
        end
    end
end

for list = 3, #KEYS do
    if redis.call('LLEN', KEYS[list]) > 0 then reply[1] = 1 break end
end
return reply
"""
)

# Removes records and pushes what they hold where it is to be read next. Only who removes the record pushes, so that
# two that restore the same message, or one that restores and one that acknowledges, do not make two of it.
#
# KEYS: unacked hash, unacked index, then the lists.
# ARGV: for each record its tag, the number of copies, and for each copy the number of the list and the content.
# Returns how many records there were.
RESTORE: Final = """
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
"""

# Times records anew: whoever looks for abandoned ones passes over them. Those that are gone stay gone.
#
# KEYS: unacked index. ARGV: earliest time of a record (s), then the tags in the order taken.
# Returns {how many records there were, time of the first}.
RENEW: Final = (
    _CLOCK
    + """local index, time, renewed = KEYS[1], not_before(ARGV[1]), 0
redis.call('ZREM', index, '') -- a write, see above
for at = 2, #ARGV do
    local score = string.format('%.6f', time + at * 0.000001)
    renewed = renewed + redis.call('ZADD', index, 'XX', 'CH', score, ARGV[at])
end
return {renewed, string.format('%.6f', time)}
"""
)
