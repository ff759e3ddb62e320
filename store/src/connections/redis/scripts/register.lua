-- KEYS[1] connections of a document, KEYS[2] their holders. ARGV[1] the connection, ARGV[2] when it counts as
-- seen, ARGV[3] how long the keys live, in ms, ARGV[4] its holder, or '' for none.

redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
if ARGV[4] == '' then
  redis.call('HDEL', KEYS[2], ARGV[1])
else
  redis.call('HSET', KEYS[2], ARGV[1], ARGV[4])
  redis.call('PEXPIRE', KEYS[2], ARGV[3])
end
