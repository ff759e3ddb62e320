-- ARGV[3] the nonce of a rebuild that is given up.

local doc = load()
if doc and doc.nonce == ARGV[3] then
  if not doc.base and doc.next == doc.first then
    forget()
  else
    redis.call('HDEL', record, 'nonce')
  end
end
