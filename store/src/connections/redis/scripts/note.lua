-- KEYS[1] documents of a connection, or registrations of a user. ARGV[1] the member, ARGV[2] when it counts
-- as seen, ARGV[3] how long the key lives, in ms, ARGV[4] who was last seen before this has lapsed.

redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[4])
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
