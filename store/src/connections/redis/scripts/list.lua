-- KEYS[1] connections of a document, KEYS[2] their holders. ARGV[1] who was last seen before this has lapsed.

for _, connection in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[1])) do
  redis.call('ZREM', KEYS[1], connection)
  redis.call('HDEL', KEYS[2], connection)
end
return redis.call('ZRANGE', KEYS[1], '0', '-1')
