-- ARGV[3] 1 to renew the document's life, 0 to leave it as it is.
-- Answers nil for a miss, else generation, tail, folded, next, bytes of the state, bytes set aside, the
-- pieces, and the events from `folded` on.

local doc = load()
if not doc or not doc.base or not complete(doc.base, doc.pieces, doc.total) then
  return nil
end
local pieces = {}
for i = 0, doc.pieces - 1 do
  pieces[i + 1] = redis.call('GET', piece(doc.base, i))
end
local events = redis.call('LRANGE', list, str(doc.folded - doc.first), '-1')
if ARGV[3] == '1' then
  keep_alive(doc, false)
end
return {doc.base, doc.tail, str(doc.folded), str(doc.next), str(doc.state), str(doc.aside), pieces, events}
