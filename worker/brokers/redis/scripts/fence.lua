-- Stands before any other script. The last key is the lease, the last argument the token that it must hold.
if redis.call('GET', table.remove(KEYS)) ~= table.remove(ARGV) then return -1 end -- FENCED
