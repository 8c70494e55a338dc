-- Records are timed by the server's clock: one for all workers, whatever their own clocks say.
local function not_before(earliest)
    local time = redis.call('TIME')
    return math.max(time[1] + time[2] / 1000000, tonumber(earliest))
end
