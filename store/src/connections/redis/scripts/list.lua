-- KEYS[1] connections of a document, or documents of a connection. ARGV[1] who was last seen before this
-- has lapsed.

redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[1])
return redis.call('ZRANGE', KEYS[1], '0', '-1')
