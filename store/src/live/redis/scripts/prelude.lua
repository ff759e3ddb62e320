-- Stands before every script of the live state.
--
-- KEYS[1] the document's record, KEYS[2] its tail.
-- ARGV[1] the name of the log, ARGV[2] how long an idle document lives, in ms.
--
-- Fields of the record:
--   log, run        the log and the Redis process that all of this belongs to
--   tail            the tail's name
--   first, next     offsets of the tail's first event and of the one after its last
--   kept, unfolded  bytes of the tail's events before and from `folded` on: together all of the tail
--   base            the base's generation, absent without one
--   folded          the offset up to which the base has taken in the tail
--   pieces, total   number and bytes of the base's pieces
--   state           how many of these bytes are the state; the waiting events follow
--   aside           bytes of the waiting events that are in the log only
--   nonce           the rebuild under way
--
-- A write that fails halfway (out of memory) leaves a tail whose length is not `next - first`, or a
-- base with a piece missing: misses both. So every script checks first and writes the record last.

local record, list = KEYS[1], KEYS[2]

local NAMES = {'log', 'run', 'tail', 'base', 'nonce'}
local NUMBERS = {'first', 'next', 'kept', 'unfolded', 'folded', 'pieces', 'total', 'state', 'aside'}

-- Exact up to 2^53, where Lua's own formatting stops at 14 digits.
local function str(number)
  return string.format('%.0f', number)
end

-- Names the running server process. A server that came back with an old dump has another one. Where
-- INFO is not allowed all processes look alike.
local function process()
  local info = redis.pcall('INFO', 'server')
  return type(info) == 'string' and string.match(info, 'run_id:(%w+)') or '-'
end

-- What a key answers; nil where somebody else has put something of another type there, which counts
-- as missing and is replaced.
local function ask(...)
  local answer = redis.pcall(...)
  if type(answer) == 'table' and answer.err then
    if string.find(answer.err, 'WRONGTYPE', 1, true) then
      return nil
    end
    error(answer.err)
  end
  return answer
end

local function fetch()
  local doc = {}
  local names, numbers = ask('HMGET', record, unpack(NAMES)), ask('HMGET', record, unpack(NUMBERS))
  for i, name in ipairs(NAMES) do
    doc[name] = names and names[i]
  end
  for i, name in ipairs(NUMBERS) do
    doc[name] = tonumber(numbers and numbers[i] or 0)
  end
  return doc
end

-- The document, or nil: there is none, or it belongs to another log or process, or some of its tail
-- is lost. Says nothing about the base's pieces.
local function load()
  local doc = fetch()
  local whole = ask('LLEN', list) == doc.next - doc.first
  if doc.tail and doc.log == ARGV[1] and doc.run == process() and whole then
    return doc
  end
  return nil
end

local function piece(base, i)
  return record .. ':b:' .. base .. ':' .. str(i)
end

local function unlink_base(base, pieces)
  for i = 0, pieces - 1 do
    redis.call('UNLINK', piece(base, i))
  end
end

-- Whether all the pieces are there.
local function complete(base, pieces, total)
  local bytes = 0
  for i = 0, pieces - 1 do
    bytes = bytes + (ask('STRLEN', piece(base, i)) or 0)
  end
  return bytes == total
end

-- Deleting needs no memory where there is none left.
local function forget()
  local doc = fetch()
  if doc.base then
    unlink_base(doc.base, doc.pieces)
  end
  redis.call('DEL', record, list)
end

-- A document with an empty tail and no base, in place of whatever was there.
local function begin(tail)
  forget()
  redis.call('HSET', record, 'log', ARGV[1], 'run', process(), 'tail', tail,
    'first', '0', 'next', '0', 'kept', '0', 'unfolded', '0', 'folded', '0')
  return fetch()
end

-- Renews the life of all keys at once, to one moment. `now`: a key has been made; otherwise only
-- when a tenth of the life is over.
local function keep_alive(doc, now)
  local life = tonumber(ARGV[2])
  if not now and redis.call('PTTL', record) > life * 0.9 then
    return
  end
  local time = redis.call('TIME')
  local deadline = str(time[1] * 1000 + math.floor(time[2] / 1000) + life)
  redis.call('PEXPIREAT', record, deadline)
  redis.call('PEXPIREAT', list, deadline)
  if doc.base then
    for i = 0, doc.pieces - 1 do
      redis.call('PEXPIREAT', piece(doc.base, i), deadline)
    end
  end
end

