-- KEYS[1] presence, KEYS[2] its expiry. ARGV: agent, connection, state, now, the moment it expires,
-- the most agents of one connection, how long the keys live in ms.
-- Answers 1, or 0 when the connection shows too many other agents.

local agent, connection, state, now = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
-- The connection's name may hold anything, so its length stands before it.
local owner = #connection .. ' ' .. connection

local function is_owners(value)
  return value and string.sub(value, 1, #owner) == owner
end

-- Most calls are renewals, which need no look at the others.
local expires = tonumber(redis.call('ZSCORE', KEYS[2], agent) or 0)
if expires < now or not is_owners(redis.call('HGET', KEYS[1], agent)) then
  local others = 0
  for _, other in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], ARGV[4], '+inf')) do
    if other ~= agent and is_owners(redis.call('HGET', KEYS[1], other)) then
      others = others + 1
    end
  end
  if others >= tonumber(ARGV[6]) then
    return 0
  end
end

redis.call('HSET', KEYS[1], agent, owner .. state)
redis.call('ZADD', KEYS[2], ARGV[5], agent)
redis.call('PEXPIRE', KEYS[1], ARGV[7])
redis.call('PEXPIRE', KEYS[2], ARGV[7])
return 1
