-- KEYS[1] presence, KEYS[2] its expiry. ARGV[1] the connection, ARGV[2] one agent, or '' for all.
-- Answers the agents that went.

local owner = #ARGV[1] .. ' ' .. ARGV[1]
local agents = ARGV[2] ~= '' and {ARGV[2]} or redis.call('HKEYS', KEYS[1])
local gone = {}
for _, agent in ipairs(agents) do
  local value = redis.call('HGET', KEYS[1], agent)
  if value and string.sub(value, 1, #owner) == owner then
    redis.call('HDEL', KEYS[1], agent)
    redis.call('ZREM', KEYS[2], agent)
    gone[#gone + 1] = agent
  end
end
return gone
