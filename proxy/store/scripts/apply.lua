-- Apply one change: all of its records or none.
--
-- KEYS  1 entries (hash)  2 version  3 epoch  4 changes (stream)  5 audit (stream)
-- ARGV  1 epoch to set if the store has none
--       2 audit text (JSON object)
--       3 how many items the change stream keeps   4 for how many milliseconds
--       then three for each record: field, the text its writer read ("" = none), the new text ("" = remove)
-- Returns {1, version, records changed}, or {0, field, text there now or false}: somebody else was first,
-- nothing is written.
--
-- A record that already holds the new text counts as done, so a call repeated after a lost answer is safe.

local LAST = #ARGV
local fields = {}
for i = 5, LAST, 3 do
  fields[#fields + 1] = ARGV[i]
end

local now = redis.call('HMGET', KEYS[1], unpack(fields))
local set, gone, items = {}, {}, {}
for n, field in ipairs(fields) do
  local at = 5 + (n - 1) * 3
  local before, after = ARGV[at + 1], ARGV[at + 2]
  local current = now[n] or ''
  if current ~= after then
    if current ~= before then
      return {0, field, now[n]}
    end
    if after == '' then
      gone[#gone + 1] = field
      items[#items + 1] = '[' .. cjson.encode(field) .. ',null]'
    else
      set[#set + 1] = field
      set[#set + 1] = after
      items[#items + 1] = '[' .. cjson.encode(field) .. ',' .. after .. ']'
    end
  end
end

if #items == 0 then
  return {1, tonumber(redis.call('GET', KEYS[2]) or '0'), 0}
end

if #set > 0 then redis.call('HSET', KEYS[1], unpack(set)) end
if #gone > 0 then redis.call('HDEL', KEYS[1], unpack(gone)) end
redis.call('SET', KEYS[3], ARGV[1], 'NX')
local version = redis.call('INCR', KEYS[2])
local epoch = redis.call('GET', KEYS[3])
redis.call('XADD', KEYS[4], '*', 'v', version, 'e', epoch, 'c', '[' .. table.concat(items, ',') .. ']')
redis.call('XADD', KEYS[5], '*', 'v', version, 'a', ARGV[2])

-- A worker that was away longer than this reloads, which is cheap; the history of a big import is not.
redis.call('XTRIM', KEYS[4], 'MAXLEN', '~', ARGV[3])
local time = redis.call('TIME')
redis.call('XTRIM', KEYS[4], 'MINID', '~', string.format('%.0f', time[1] * 1000 - ARGV[4]))
return {1, version, #items}
