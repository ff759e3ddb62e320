-- KEYS[1] the document's connections. ARGV[1] one of them.
-- Answers when it was last seen, or nil.

return redis.call('ZSCORE', KEYS[1], ARGV[1])
