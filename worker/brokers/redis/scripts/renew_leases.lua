-- KEYS: leases. ARGV: time to live (ms), then the token of each. Returns for each 1, or 0 when it is lost.
local held = {}
for at = 1, #KEYS do
    held[at] = redis.call('GET', KEYS[at]) == ARGV[1 + at] and redis.call('PEXPIRE', KEYS[at], ARGV[1]) or 0
end
return held
