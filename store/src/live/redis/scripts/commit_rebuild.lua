-- ARGV[3…7] generation, pieces, bytes, bytes of the state and bytes set aside of the new base, whose
-- pieces are written. ARGV[8] the rebuild's nonce, ARGV[9] 1 to replace a base that is there, else 0.
-- Answers 1, or 0 when nothing changed.

local base, pieces, total = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])

local doc = load()
if doc and doc.base == base then
  -- A repeat of a call that had happened; it has written the pieces again, with their own expiry.
  keep_alive(doc, true)
  return 1
end
local in_the_way = doc and ARGV[9] ~= '1' and doc.base and complete(doc.base, doc.pieces, doc.total)
local free = doc and doc.nonce == ARGV[8] and not in_the_way
if not free or not complete(base, pieces, total) then
  unlink_base(base, pieces)
  return 0
end

if doc.base then
  unlink_base(doc.base, doc.pieces)
end
redis.call('HSET', record, 'base', base, 'pieces', ARGV[4], 'total', ARGV[5], 'state', ARGV[6], 'aside', ARGV[7],
  'folded', str(doc.first), 'kept', '0', 'unfolded', str(doc.kept + doc.unfolded))
redis.call('HDEL', record, 'nonce')
keep_alive(fetch(), true)
return 1
