"""The Lua of partition leases: who holds a partition's lease may take from it and put back, and nobody else may.

A record is what the atomic transport writes when it takes a message (brokers/redis/scripts.py). A partition has a hash
and an index of records to itself, so that only who holds its lease ever touches them.
"""

from __future__ import annotations

from typing import Final

FENCED: Final = -1
"""What a script answers to somebody who does not hold the lease; it has done nothing then."""

# Stands before any other script. The last key is the lease, the last argument the token that it must hold.
FENCE: Final = """
if redis.call('GET', table.remove(KEYS)) ~= table.remove(ARGV) then return -1 end
"""

# Everything that was taken from a partition and not acknowledged goes back in front of its list, in the order taken, at
# once: half of it put back while somebody takes would be another order. The message is what TAKE found, byte by byte;
# `frame` is how many bytes TAKE put behind it. All go to the list of the highest priority, which is read first.
# Returns how many they were, or the error of a push; what could not be pushed is recorded as before.
_PUT_BACK: Final = """
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
"""

# KEYS: unacked hash, unacked index, list. ARGV: frame. Returns how many messages were put back.
PUT_BACK: Final = f"{_PUT_BACK}return put_back(KEYS[1], KEYS[2], KEYS[3], tonumber(ARGV[1]))"

# KEYS: lease, unacked hash, unacked index, list.
# ARGV: token, time to live (ms), the token that this process held before ('': none), frame.
# Returns how many messages were put back, or FENCED when somebody else holds the lease.
CLAIM: Final = f"""{_PUT_BACK}
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[3] then return {FENCED} end
redis.call('DEL', KEYS[1]) -- a write, see above
local restored = put_back(KEYS[2], KEYS[3], KEYS[4], tonumber(ARGV[4]))
if type(restored) == 'number' then redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end
return restored
"""

# KEYS: leases. ARGV: time to live (ms), then the token of each. Returns for each 1, or 0 when it is lost.
RENEW: Final = """
local held = {}
for at = 1, #KEYS do
    held[at] = redis.call('GET', KEYS[at]) == ARGV[1 + at] and redis.call('PEXPIRE', KEYS[at], ARGV[1]) or 0
end
return held
"""

# KEYS: lease. ARGV: token. Returns 1, or 0 when it was lost before.
RELEASE: Final = """
return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('DEL', KEYS[1]) or 0
"""
