-- ARGV[3] name for a new tail, ARGV[4…] events.
-- Answers the bytes not folded and, where there is a base, the bytes of its state, of the waiting events
-- that it carries, and of those set aside.
-- Whether the base's pieces are still there is left to its readers: asking here would make the cost
-- of an edit depend on the document's length.

local doc = load() or begin(ARGV[3])
local count, bytes = #ARGV - 3, 0
for i = 4, #ARGV do
  bytes = bytes + #ARGV[i]
end
for i = 4, #ARGV, 1000 do
  redis.call('RPUSH', list, unpack(ARGV, i, math.min(i + 999, #ARGV)))
end
local unfolded = str(doc.unfolded + bytes)
redis.call('HSET', record, 'next', str(doc.next + count), 'unfolded', unfolded)
keep_alive(doc, doc.next == doc.first)
local base = doc.base and {str(doc.state), str(doc.total - doc.state), str(doc.aside)}
return {unfolded, base}
