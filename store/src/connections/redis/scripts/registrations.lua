-- KEYS[1] connections of a document, KEYS[2] their holders. ARGV[1] who was last seen before this has lapsed.
-- Answers {connection, holder or ''} of each.

local found = {}
for _, connection in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], ARGV[1], '+inf')) do
  found[#found + 1] = {connection, redis.call('HGET', KEYS[2], connection) or ''}
end
return found
