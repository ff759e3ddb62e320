-- ARGV[3…7] generation, pieces, bytes, bytes of the state and bytes set aside of the new base, whose
-- pieces are written. ARGV[8] the generation and ARGV[9], ARGV[10] tail and folded offset that were
-- read. ARGV[11] the offset that the new base has taken in, ARGV[12] bytes of folded events to keep.
-- Answers 1, or 0 when nothing changed.

local base, pieces, total = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local folded, kept_max = tonumber(ARGV[11]), tonumber(ARGV[12])

local doc = load()
if doc and doc.base == base then
  -- A repeat of a call that had happened; it has written the pieces again, with their own expiry.
  keep_alive(doc, true)
  return 1
end
local current = doc and doc.base == ARGV[8] and doc.tail == ARGV[9] and doc.folded == tonumber(ARGV[10])
if not current or folded < doc.folded or folded > doc.next or not complete(base, pieces, total) then
  unlink_base(base, pieces)
  return 0
end

-- Few, for they came while the base was made.
local unfolded = 0
for _, event in ipairs(redis.call('LRANGE', list, str(folded - doc.first), '-1')) do
  unfolded = unfolded + #event
end

local kept, gone = doc.kept + doc.unfolded - unfolded, 0
while kept > kept_max and gone < folded - doc.first do
  for _, event in ipairs(redis.call('LRANGE', list, str(gone), str(gone + 63))) do
    if kept > kept_max and gone < folded - doc.first then
      kept, gone = kept - #event, gone + 1
    end
  end
end
if gone > 0 then
  redis.call('LTRIM', list, str(gone), '-1')
end

unlink_base(doc.base, doc.pieces)
redis.call('HSET', record, 'base', base, 'pieces', ARGV[4], 'total', ARGV[5], 'state', ARGV[6],
  'aside', ARGV[7], 'first', str(doc.first + gone), 'folded', ARGV[11], 'kept', str(kept),
  'unfolded', str(unfolded))
-- A rebuild that reads the log now would miss what this fold has trimmed, should this base be lost
-- before it commits.
redis.call('HDEL', record, 'nonce')
keep_alive(fetch(), true)
return 1
