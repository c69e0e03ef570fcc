package redisstore

import (
	"context"
	"fmt"
	"time"

	"asgibox/asgi"
	"asgibox/internal/logkey"
)

// A delayed message is a hash on the host of its target, and its id is in a
// sorted set by the time at which it is due. Both are written, and both are
// replaced by the message in its list, in one step. So a delayed message is sent
// once, by any process of the layer, whichever of them are killed.

// laterScript stores a delayed message.
//
//	KEYS: sorted set, list of asgi.delay
//	ARGV: id, channel, body, delay in µs, capacity of asgi.delay, statistics' prefix
//
// It returns 0 if too many messages wait.
var laterScript = newScript(nowLua + countLua + `
if redis.call('ZCARD', KEYS[1]) + redis.call('LLEN', KEYS[2]) >= tonumber(ARGV[5]) then
  count(ARGV[6], 'asgi.delay', ':channel_full_count', 1)
  return 0
end
local due = string.format('%.0f', micro + ARGV[4])
redis.call('HSET', KEYS[1] .. ':' .. ARGV[1], 'channel', ARGV[2], 'body', ARGV[3], 'due', due)
redis.call('ZADD', KEYS[1], due, ARGV[1])
count(ARGV[6], 'asgi.delay', ':messages_count', 1)
return 1
`)

// acceptScript stores a delayed message that another process has sent to
// asgi.delay and that this one has taken into its lease.
//
//	KEYS: sorted set, lease, body in the lease
//	ARGV: id, channel, body, delay in µs; the channel is "" to drop the message
var acceptScript = newScript(nowLua + `
if redis.call('LREM', KEYS[2], 1, KEYS[3]) == 0 then return 0 end
redis.call('UNLINK', KEYS[3])
if ARGV[2] == '' then return 1 end
local due = string.format('%.0f', micro + ARGV[4])
redis.call('HSET', KEYS[1] .. ':' .. ARGV[1], 'channel', ARGV[2], 'body', ARGV[3], 'due', due)
redis.call('ZADD', KEYS[1], due, ARGV[1])
return 1
`)

// dueScript returns messages that are due, at most 100.
//
//	KEYS: sorted set
//
// It returns the time until the next one is due in µs, or -1 if there is none,
// and then the id and channel of each.
var dueScript = newScript(nowLua + `
local us = string.format('%.0f', micro)
local out = {-1}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', us, 'LIMIT', 0, 100)) do
  local channel = redis.pcall('HGET', KEYS[1] .. ':' .. id, 'channel')
  if type(channel) == 'string' then
    out[#out + 1], out[#out + 2] = id, channel
  else
    redis.call('ZREM', KEYS[1], id)
  end
end
local next = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. us, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
if next[2] then out[1] = next[2] - micro end
return out
`)

// promoteScript sends a message that is due.
//
//	KEYS: sorted set, list, new body
//	ARGV: id, body or "", expiry in s, capacity, pause in µs before the next attempt,
//	      statistics' prefix, channel, "1" to return the body that is stored
//
// Without a body, it sends the one that is stored. It returns 1, 0 if the list is full,
// or -1 if another process was faster or the message has expired; and if it sends
// nothing yet, the body that is stored, or the error if the key holds no list.
var promoteScript = newScript(pruneLua + countLua + nowLua + `
local record = KEYS[1] .. ':' .. ARGV[1]
local due = redis.call('HGET', record, 'due')
if not due or not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return -1 end
local left, body = (due - micro) / 1000 + ARGV[3] * 1000, ARGV[2]
local function later()
  redis.call('ZADD', KEYS[1], string.format('%.0f', micro + ARGV[5]), ARGV[1])
end
if left > 0 then
  local waiting = redis.pcall('LLEN', KEYS[2])
  if type(waiting) == 'table' then
    later()
    return waiting
  end
  if waiting >= tonumber(ARGV[4]) then
    prune(KEYS[2], {})
    if redis.call('LLEN', KEYS[2]) >= tonumber(ARGV[4]) then
      later()
      return 0
    end
  end
  if body == '' then body = redis.call('HGET', record, 'body') or '' end
  if ARGV[8] == '1' then return body end
end
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('UNLINK', record)
if left <= 0 then return -1 end
redis.call('SET', KEYS[3], body, 'PX', string.format('%.0f', math.ceil(left)))
redis.call('RPUSH', KEYS[2], KEYS[3])
redis.call('EXPIRE', KEYS[2], ARGV[3] + 1)
count(ARGV[6], ARGV[7], ':messages_count', 1)
return 1
`)

// SendLater stores a message until it is due. See [asgi.Later].
func (l *Layer) SendLater(ctx context.Context, c *asgi.Cause, due time.Time, channel string, m asgi.Message) error {
	if err := asgi.CheckTarget(channel); err != nil {
		return err
	}
	if err := l.checkSize(m.Size()); err != nil {
		return err
	}
	return l.sendAfter(ctx, max(0, time.Until(due)), channel, m)
}

func (l *Layer) sendAfter(ctx context.Context, delay time.Duration, channel string, m asgi.Message) error {
	body, err := l.encode(channel, m)
	if err != nil {
		return err
	}
	capacity := l.capacityOf(asgi.DelayChannel)
	// Microseconds are rounded up, so that no message is early.
	us := (delay + time.Microsecond - 1).Microseconds()
	h := l.sendHost(channel)
	v, err := h.eval(ctx, "delay", laterScript, []string{l.delayKey(), l.listKey(asgi.DelayChannel)},
		newID(), channel, body, us, capacity, l.opts.StatsPrefix)
	if err != nil {
		return full(asgi.DelayChannel, err)
	}
	if v != int64(1) {
		return &asgi.ChannelFullError{Channel: asgi.DelayChannel, Reason: fmt.Sprintf("%d delayed messages wait (--capacity)", capacity)}
	}
	l.delay.within(h, time.Duration(us)*time.Microsecond)
	return nil
}

// sendToDelay sends the content of a message to asgi.delay later. An invalid
// message is dropped, as the specification says.
func (l *Layer) sendToDelay(ctx context.Context, c *asgi.Cause, m asgi.Message) error {
	channel, delay, content, err := asgi.ParseDelay(m)
	if err == nil {
		err = l.checkSize(content.Size())
	}
	if err != nil {
		l.log.Error("dropped an invalid message to asgi.delay", logkey.Error, err, logkey.Channel, channel)
		return nil
	}
	return l.sendAfter(ctx, delay, channel, content)
}
