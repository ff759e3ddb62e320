-- KEYS[1] connections of a document, KEYS[2] their holders. ARGV[1] the connection.
-- Answers its holder, or nil.

local holder = redis.call('HGET', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
return holder
