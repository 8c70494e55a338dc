"""The Lua of lane leases: who holds a lane's lease may take from it and put back, and nobody else may.

A record is what the atomic transport writes when it takes a message (worker/transport_scripts.py). A lane has a hash
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

# Everything that was taken from a lane and not acknowledged goes back in front of its list, in the order taken, at
# once: half of it put back while somebody takes would be another order. The message is what TAKE found, byte by byte;
# `frame` is how many bytes TAKE put behind it. All go to the list of the highest priority, which is read first.
_PUT_BACK: Final = """
local function put_back(unacked, index, list, frame)
    local tags, count = redis.call('ZRANGE', index, 0, -1), 0
    for at = #tags, 1, -1 do
        local record = redis.call('HGET', unacked, tags[at])
        redis.call('ZREM', index, tags[at])
        redis.call('HDEL', unacked, tags[at])
        if record then
            redis.call('RPUSH', list, string.sub(record, 2, -1 - frame))
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
# The DEL before the SET is for a server that is full: it refuses what needs memory unless something was written before.
CLAIM: Final = f"""{_PUT_BACK}
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[3] then return {FENCED} end
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return put_back(KEYS[2], KEYS[3], KEYS[4], tonumber(ARGV[4]))
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
