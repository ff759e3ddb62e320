-- ARGV[3] a tail's name, ARGV[4] an offset in it.
-- Answers nil when the cursor is not good, else next, and the events from the offset on.

local doc, offset = load(), tonumber(ARGV[4])
if not doc or doc.tail ~= ARGV[3] or offset < doc.first or offset > doc.next then
  return nil
end
local events = redis.call('LRANGE', list, str(offset - doc.first), '-1')
keep_alive(doc, false)
return {str(doc.next), events}
