-- KEYS[1] documents of a connection, or registrations of a user. ARGV[1] the member.

redis.call('ZREM', KEYS[1], ARGV[1])
