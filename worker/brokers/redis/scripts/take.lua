-- Takes messages and records them as unacknowledged. Nothing is decoded here: the record is the message as it lies in
-- the list, wrapped in kombu's own form `[message, exchange, routing key]`, so that its numbers and its size do not
-- matter, and it names the queue it came from (the anonymous exchange), so that no lost binding can drop it later.
-- The tags are the taker's, never the producer's: two copies of one message keep a record each.
--
-- KEYS: unacked hash, unacked index, then the lists: every queue at the first priority, every queue at the next, ...
-- ARGV: most messages to take, prefix of the tags, number of the first tag, earliest time of a record (s), count of
--       queues, "1" to move a queue that was served behind the others, the bytes after which no more is taken, then for
--       each queue the end of its records.
-- Returns {1 when more messages wait, time of the first record, queue number, message, queue number, message, ...}.
local unacked, index = KEYS[1], KEYS[2]
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
