-- KEYS[1] documents of a connection, or registrations of a user. ARGV[1] the member, ARGV[2] when it counts
-- as seen, ARGV[3] how long the key lives, in ms, ARGV[4] who was last seen before this has lapsed,
-- ARGV[5] how many members there may be, or '' for any number. Returns whether the member is noted.

redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[4])
if ARGV[5] ~= '' and redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[5])
  and not redis.call('ZSCORE', KEYS[1], ARGV[1]) then
  return 0
end
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
