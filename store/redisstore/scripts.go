package redisstore

import (
	"crypto/sha1"
	"encoding/hex"
	"strconv"
)

// A script is a Lua program that Redis runs as one step.
type script struct{ text, hash string }

// allScripts are loaded when a layer is opened.
var allScripts = []*script{
	sendScript, groupSendScript, takeScript, putBackScript, pruneScript, groupAddScript, membersScript, indexScript,
	leaveScript, casScript, statisticsScript, countScript, laterScript, dueScript, promoteScript, acceptScript, beatScript, peekScript, tickScript,
}

func newScript(text string) *script {
	sum := sha1.Sum([]byte(text))
	return &script{text, hex.EncodeToString(sum[:])}
}

// pruneLua defines prune, which removes messages that have expired from the head
// of a list, and adds the keys of their bodies to a table.
const pruneLua = `
local function prune(list, dead)
  for _ = 1, 1000 do
    local id = redis.call('LINDEX', list, 0)
    if not id or redis.call('EXISTS', id) == 1 then return end
    redis.call('LPOP', list)
    dead[#dead + 1] = id
  end
end
`

// countLua defines count, which adds to the counters of a channel and of all.
const countLua = `
local function count(stats, name, suffix, n)
  redis.call('INCRBY', stats .. name .. suffix, n)
  redis.call('EXPIRE', stats .. name .. suffix, 3600)
  redis.call('INCRBY', stats .. '#global#' .. suffix, n)
  redis.call('EXPIRE', stats .. '#global#' .. suffix, 86400)
end
`

// sendScript sends one message. It is written for few steps, because it runs for
// every send.
//
//	KEYS: body, list, counters of sent messages of the channel and of all, and for a
//	      connection its mailbox
//	ARGV: content of the body, expiry in s, the same plus one, capacity,
//	      statistics' prefix, channel
//
// It returns 1, or 0 if the channel is full, and then the keys of the bodies that
// have expired, if there are any. If the mailbox is full or gone, it returns that.
var sendScript = newScript(`
local call, dead = redis.call, nil
local mailbox = KEYS[5] and call('GET', KEYS[5])
if mailbox then
  if mailbox == '` + mailboxFull + `' then
` + countLua + `
    count(ARGV[5], ARGV[6], ':channel_full_count', 1)
  end
  return mailbox
end
if call('LLEN', KEYS[2]) >= tonumber(ARGV[4]) then
` + pruneLua + countLua + `
  dead = {1}
  prune(KEYS[2], dead)
  if call('LLEN', KEYS[2]) >= tonumber(ARGV[4]) then
    count(ARGV[5], ARGV[6], ':channel_full_count', 1)
    dead[1] = 0
    return dead
  end
end
call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
call('RPUSH', KEYS[2], KEYS[1])
call('EXPIRE', KEYS[2], ARGV[3])
call('INCR', KEYS[3])
call('EXPIRE', KEYS[3], '3600')
call('INCR', KEYS[4])
call('EXPIRE', KEYS[4], '86400')
return dead or 1
`)

// groupSendScript sends copies of one message to members of a group.
//
//	KEYS: lists
//	ARGV: expiry in s, statistics' prefix, body of normal members, first part of the
//	      body of "!" members, and for each list: its channel, capacity, "1" to skip
//	      members without room, number of members, and for each member: key of the
//	      body, last part of the body
//
// If a list does not have room for all its members and they must not be skipped, it
// sends nothing to that list. It returns the indexes of these lists, each followed by
// how many messages wait there, or -1 if the key holds no list; and the keys of bodies
// that have expired.
var groupSendScript = newScript(pruneLua + countLua + `
local expiry, stats, plain, head = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local full, dead, at = {}, {}, 5
for i, list in ipairs(KEYS) do
  local channel, capacity, skip, n = ARGV[at], tonumber(ARGV[at + 1]), ARGV[at + 2] == '1', tonumber(ARGV[at + 3])
  local waiting, sent = redis.pcall('LLEN', list), 0
  if type(waiting) == 'table' then
    waiting = -1
  else
    prune(list, dead)
    waiting = redis.call('LLEN', list)
    sent = math.min(n, math.max(0, capacity - waiting))
  end
  if waiting < 0 or sent < n and not skip then
    full[#full + 1], full[#full + 2] = i, waiting
  else
    local ids = {}
    for j = 1, sent do
      local id, tail = ARGV[at + 2 + 2 * j], ARGV[at + 3 + 2 * j]
      redis.call('SET', id, tail == '' and plain or head .. tail, 'EX', expiry)
      ids[j] = id
    end
    if sent > 0 then
      redis.call('RPUSH', list, unpack(ids))
      redis.call('EXPIRE', list, expiry + 1)
      count(stats, channel, ':messages_count', sent)
    end
    if sent < n then count(stats, channel, ':channel_full_count', n - sent) end
  end
  at = at + 4 + 2 * n
end
return {full, dead}
`)

// takeScript takes messages from lists.
//
//	KEYS: lists, in the order in which they are tried
//	ARGV: number of messages wanted, index of a list and key of a body that was
//	      popped from it before, or "", and for each list: the most to take
//
// It takes no more messages when their bodies have replyBytes. It returns, for each
// message: the index of its list, the key of its body, the body and how long it would
// have lived in ms. A message that has expired has no time left. A list of a wrong
// type has no key.
var takeScript = newScript(`
local want, room, out, at = tonumber(ARGV[1]), ` + strconv.Itoa(replyBytes) + `, {}, 0
local function take(list, ids)
  local n, seen = 0, {}
  for j, id in ipairs(ids) do
    if room <= 0 then break end
    local body, left = redis.call('MGET', id)[1], -2
    if body then
      n, left, room = n + 1, redis.call('PTTL', id), room - #body
    end
    out[at + 1], out[at + 2], out[at + 3], out[at + 4] = list, id, body or '', left
    at = at + 4
    seen[j] = id
  end
  redis.call('UNLINK', unpack(seen))
  want = want - n
  return n, #seen
end
local popped = 0
if ARGV[3] ~= '' then
  popped = tonumber(ARGV[2])
  local n = take(popped, {ARGV[3]})
  if n == 0 then popped = 0 end
end
for i, list in ipairs(KEYS) do
  local most = tonumber(ARGV[3 + i])
  if i == popped then most = most - 1 end
  while want > 0 and most > 0 and room > 0 do
    local ask = math.min(want, most, 1000)
    local ids = redis.pcall('LRANGE', list, 0, ask - 1)
    if #ids == 0 then
      if ids.err then
        out[at + 1], out[at + 2], out[at + 3], out[at + 4] = i, '', ids.err, -2
        at = at + 4
      end
      break
    end
    local n, seen = take(i, ids)
    redis.call('LPOP', list, seen)
    most = most - n
    if #ids < ask then break end
  end
end
return out
`)

// putBackScript puts a message back at the head of its list.
//
//	KEYS: body, list
//	ARGV: content of the body, or "" if it is there; time left in ms
var putBackScript = newScript(`
local left = tonumber(ARGV[2])
if ARGV[1] ~= '' then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', left)
else
  left = redis.call('PTTL', KEYS[1])
end
if left <= 0 then return 0 end
redis.call('LPUSH', KEYS[2], KEYS[1])
if redis.call('PTTL', KEYS[2]) < left then redis.call('PEXPIRE', KEYS[2], left + 1000) end
return 1
`)

// pruneScript removes messages that have expired from the heads of lists, and
// returns the keys of their bodies.
var pruneScript = newScript(pruneLua + `
local dead = {}
for _, list in ipairs(KEYS) do prune(list, dead) end
return dead
`)

// nowLua sets now to Redis' time in seconds, and micro to that in µs.
const nowLua = `
local time = redis.call('TIME')
local now = time[1] .. '.' .. string.format('%06d', time[2])
local micro = time[1] * 1000000 + time[2]
`

// groupAddScript adds a member or renews its membership.
//
//	KEYS: group
//	ARGV: member, group expiry in s
var groupAddScript = newScript(nowLua + `
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[2])
return 1
`)

// membersScript returns the members of a group, the oldest first.
//
//	KEYS: group
//	ARGV: group expiry in s
var membersScript = newScript(nowLua + `
redis.call('ZREMRANGEBYSCORE', KEYS[1], 0, string.format('%.6f', now - ARGV[1]))
return redis.call('ZRANGE', KEYS[1], 0, -1)
`)

// indexScript notes that a "!" channel is in a group.
//
//	KEYS: index
//	ARGV: channel and group, group expiry in s
var indexScript = newScript(`
redis.call('SADD', KEYS[1], ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[2])
return 1
`)

// leaveScript returns the groups of channels and forgets them.
//
//	KEYS: indexes
var leaveScript = newScript(`
local all = {}
for _, index in ipairs(KEYS) do
  for _, entry in ipairs(redis.pcall('SMEMBERS', index)) do all[#all + 1] = entry end
  redis.call('DEL', index)
end
return all
`)

// casScript replaces a value if its bytes are those that are expected, and keeps
// its time to live.
//
//	KEYS: value
//	ARGV: "1" and the old bytes, or "0" and ""; "1" and the new bytes, or "0" and ""
//
// It returns 1, or 0 and the current bytes if they differ.
var casScript = newScript(`
local current = redis.call('GET', KEYS[1])
if (ARGV[1] == '1') ~= (current ~= false) or current and current ~= ARGV[2] then return {0, current} end
if ARGV[3] == '0' then
  redis.call('DEL', KEYS[1])
elseif current then
  redis.call('SET', KEYS[1], ARGV[4], 'KEEPTTL')
else
  redis.call('SET', KEYS[1], ARGV[4])
end
return {1}
`)

// statisticsScript returns the counters of a channel, the number of its messages,
// and how long the oldest one has left in ms, or -1 if there is none.
//
//	KEYS: list
//	ARGV: statistics' prefix, channel
var statisticsScript = newScript(pruneLua + `
local dead = {}
prune(KEYS[1], dead)
local head, left = redis.call('LINDEX', KEYS[1], 0), -1
if head then left = redis.call('PTTL', head) end
return {tonumber(redis.call('GET', ARGV[1] .. ARGV[2] .. ':messages_count') or 0),
  tonumber(redis.call('GET', ARGV[1] .. ARGV[2] .. ':channel_full_count') or 0),
  redis.call('LLEN', KEYS[1]), left, unpack(dead)}
`)

// countScript counts messages that were refused.
//
//	ARGV: statistics' prefix, channel, number of messages
var countScript = newScript(countLua + `
count(ARGV[1], ARGV[2], ':channel_full_count', ARGV[3])
return 1
`)
