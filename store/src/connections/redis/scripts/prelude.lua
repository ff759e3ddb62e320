-- Stands before every script of connections and presence: what somebody else has put under one of our
-- keys counts as missing, and is replaced.
for _, key in ipairs(KEYS) do
  local found, last = redis.call('TYPE', key).ok, string.sub(key, -2)
  local kind = (last == ':p' or last == ':h') and 'hash' or 'zset'
  if found ~= 'none' and found ~= kind then
    redis.call('DEL', key)
  end
end

