-- KEYS: lease, unacked hash, unacked index, list.
-- ARGV: token, time to live (ms), the token that this process held before ('': none), frame.
-- Returns how many messages were put back, or FENCED when somebody else holds the lease.
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[3] then return -1 end -- FENCED
redis.call('DEL', KEYS[1]) -- the first write: after one, a full server refuses no other
local restored = put_back(KEYS[2], KEYS[3], KEYS[4], tonumber(ARGV[4]))
if type(restored) == 'number' then redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end
return restored
