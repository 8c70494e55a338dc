-- Times records anew: whoever looks for abandoned ones passes over them. Those that are gone stay gone.
--
-- KEYS: unacked index. ARGV: earliest time of a record (s), then the tags in the order taken.
-- Returns {how many records there were, time of the first}.
local index, time, renewed = KEYS[1], not_before(ARGV[1]), 0
redis.call('ZREM', index, '') -- the first write: after one, a full server refuses no other
for at = 2, #ARGV do
    local score = string.format('%.6f', time + at * 0.000001)
    renewed = renewed + redis.call('ZADD', index, 'XX', 'CH', score, ARGV[at])
end
return {renewed, string.format('%.6f', time)}
