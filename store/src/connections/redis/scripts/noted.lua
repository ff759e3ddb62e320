-- KEYS[1] documents of a connection, or registrations of a user. ARGV[1] who was last seen before this has
-- lapsed.

return redis.call('ZRANGEBYSCORE', KEYS[1], ARGV[1], '+inf')
