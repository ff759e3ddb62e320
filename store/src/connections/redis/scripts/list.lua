-- KEYS[1] the document's connections. ARGV[1] who was last seen before this has lapsed.

redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[1])
return redis.call('ZRANGE', KEYS[1], '0', '-1')
