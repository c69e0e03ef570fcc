package redisstore

import (
	"context"
	"strconv"
	"time"
)

// tickScript reports whether a call is the first one in the present interval.
//
//	KEYS: first part of the key of the interval
//	ARGV: length of an interval in µs, id of the process
//
// It returns 1 or 0, and the time until the next interval in µs.
var tickScript = newScript(nowLua + `
local every = tonumber(ARGV[1])
local interval = math.floor(micro / every)
local left = (interval + 1) * every - micro
local first = redis.call('SET', KEYS[1] .. string.format('%.0f', interval), ARGV[2], 'NX', 'PX', string.format('%.0f', math.ceil(left / 1000) + 1000))
return {first and 1 or 0, left}
`)

// Tick reports whether the call is the first one of all processes in the present
// interval, by Redis' clock. See [asgi.Ticker].
func (l *Layer) Tick(ctx context.Context, name string, every time.Duration) (first bool, next time.Duration, err error) {
	us := max(1, every.Microseconds())
	name = hashOf(name) + ":" + strconv.FormatInt(us, 10)
	v, err := l.hostOf(name).eval(ctx, "tick", tickScript, []string{l.ownKey("tick:" + name + ":")}, us, l.id)
	if err != nil {
		return false, 0, err
	}
	reply, _ := v.([]any)
	if len(reply) != 2 {
		return false, every, nil
	}
	return reply[0] == int64(1), time.Duration(number(reply[1])) * time.Microsecond, nil
}
