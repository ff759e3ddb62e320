-- KEYS[1] presence, KEYS[2] its expiry. ARGV[1] now.
-- Answers the agents that have expired, and forgets them.

local agents = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', '(' .. ARGV[1])
for _, agent in ipairs(agents) do
  redis.call('HDEL', KEYS[1], agent)
  redis.call('ZREM', KEYS[2], agent)
end
return agents
