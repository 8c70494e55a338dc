-- KEYS: lease. ARGV: token. Returns 1, or 0 when it was lost before.
return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('DEL', KEYS[1]) or 0
