-- KEYS[1] connections of a document, or documents of a connection.
-- ARGV[1] the member, ARGV[2] now, ARGV[3] how long the key lives, in ms.

redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
