-- ARGV[3] the rebuild's nonce, which also names a tail that must be begun. ARGV[4] how long in ms a
-- document lives that has nothing but this.

local doc = load() or begin(ARGV[3])
if doc.base and not complete(doc.base, doc.pieces, doc.total) then
  unlink_base(doc.base, doc.pieces)
  redis.call('HDEL', record, 'base', 'pieces', 'total', 'state', 'aside')
  doc.base = false
end
redis.call('HSET', record, 'nonce', ARGV[3])
if doc.base or doc.next > doc.first then
  keep_alive(doc, true)
else
  redis.call('PEXPIRE', record, ARGV[4])
end
