-- KEYS: unacked hash, unacked index, list. ARGV: frame. Returns how many messages were put back.
return put_back(KEYS[1], KEYS[2], KEYS[3], tonumber(ARGV[1]))
