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
--
-- A script is not rolled back when one of its calls fails. So everything that can refuse us is asked before
-- the first write: what the keys hold by reading them, what our user may do by `rights`. The rest (no memory,
-- a read-only replica, a full disk) refuses the first write of a script and none after it.

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

local version = redis.call('GET', KEYS[2]) or '0'
if not string.match(version, '^%d+$') then
  return redis.error_reply('WRONGTYPE ' .. KEYS[2] .. ' holds no number')
end
if #items == 0 then
  return {1, tonumber(version), 0}
end
version = string.format('%.0f', tonumber(version) + 1)
local epoch = redis.call('GET', KEYS[3])
for n = 4, 5 do
  redis.call('XREVRANGE', KEYS[n], '+', '-', 'COUNT', 1) -- an error if it is no stream
end

-- Each with what a server older than 7 answers to it when the user may: it fails by its form, key untouched.
local rights = {
  {'must be greater than 0%-0', 'XADD', KEYS[4], '0-0', 'v', '0'},
  {'must be greater than 0%-0', 'XADD', KEYS[5], '0-0', 'v', '0'},
  {'syntax error', 'SET', KEYS[2], version, '?'},
}
if #set > 0 then rights[#rights + 1] = {'wrong number of arguments', 'HSET', KEYS[1], 'a', 'b', 'c'} end
if #gone > 0 then rights[#rights + 1] = {'^$', 'HDEL', KEYS[1], ''} end -- no field is called that
if not epoch then rights[#rights + 1] = {'syntax error', 'SET', KEYS[3], ARGV[1], '?'} end
for _, right in ipairs(rights) do
  local may, why
  if redis.acl_check_cmd then
    may = redis.acl_check_cmd(unpack(right, 2))
  else
    local answer = redis.pcall(unpack(right, 2))
    why = type(answer) == 'table' and answer.err or ''
    may = string.find(why, right[1])
  end
  if not may then
    return redis.error_reply('NOPERM it may not run ' .. right[2] .. ' on ' .. right[3] .. ' ' .. (why or ''))
  end
end

redis.call('XADD', KEYS[5], '*', 'v', version, 'a', ARGV[2])
redis.call('XADD', KEYS[4], '*', 'v', version, 'e', epoch or ARGV[1], 'c', '[' .. table.concat(items, ',') .. ']')
if #set > 0 then redis.call('HSET', KEYS[1], unpack(set)) end
if #gone > 0 then redis.call('HDEL', KEYS[1], unpack(gone)) end
if not epoch then redis.call('SET', KEYS[3], ARGV[1]) end
redis.call('SET', KEYS[2], version)

-- A worker that was away longer than this reloads, which is cheap; the history of a big import is not. By
-- pcall: the change stands, and a user who may not trim is no reason to say that it failed.
redis.pcall('XTRIM', KEYS[4], 'MAXLEN', '~', ARGV[3])
local time = redis.pcall('TIME')
if not time.err then
  redis.pcall('XTRIM', KEYS[4], 'MINID', '~', string.format('%.0f', time[1] * 1000 - ARGV[4]))
end
return {1, tonumber(version), #items}
