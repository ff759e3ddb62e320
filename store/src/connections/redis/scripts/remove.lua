-- KEYS[1] connections of a document, or documents of a connection. ARGV[1] the member.

redis.call('ZREM', KEYS[1], ARGV[1])
