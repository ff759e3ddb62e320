-- KEYS[1] presence, KEYS[2] its expiry. ARGV[1] now.
-- Answers {agent, connection, state} of each that has not expired.

local entries = {}
for _, agent in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], ARGV[1], '+inf')) do
  local value = redis.call('HGET', KEYS[1], agent)
  if value then
    local space = string.find(value, ' ', 1, true)
    local owner_end = space + tonumber(string.sub(value, 1, space - 1))
    local connection, state = string.sub(value, space + 1, owner_end), string.sub(value, owner_end + 1)
    entries[#entries + 1] = {agent, connection, state}
  end
end
return entries
