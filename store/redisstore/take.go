package redisstore

import (
	"context"
	"strings"
	"time"

	"asgibox/internal/logkey"
)

// taken is a message that has left its list, and its body with it.
type taken struct {
	channel string // of the list
	key     string // of the body
	body    string
	left    time.Duration // that it would have lived
}

// takeArgs returns the keys and arguments of takeScript. Most says how many
// messages to take from each channel, or nil for no limit. Element is the key of
// a body that was popped from a channel before, or "".
func (l *Layer) takeArgs(channels []string, want int, most map[string]int, popped, element string) (keys []string, args []any) {
	args = append(args, want, 0, element)
	for i, channel := range channels {
		keys = append(keys, l.listKey(channel))
		limit := want
		if most != nil {
			limit = most[channel]
		}
		if element != "" && channel == popped {
			args[1] = i + 1
		}
		args = append(args, limit)
	}
	return keys, args
}

// took returns the messages in the reply of takeScript, and handles those that
// have expired.
func (l *Layer) took(h *host, channels []string, reply []any) []taken {
	var all []taken
	for ; len(reply) >= 4; reply = reply[4:] {
		i, _ := reply[0].(int64)
		key, _ := reply[1].(string)
		body, _ := reply[2].(string)
		left, _ := reply[3].(int64)
		if i < 1 || int(i) > len(channels) {
			continue
		}
		channel := channels[i-1]
		switch {
		case key == "":
			l.wrongType(h, channel, body)
		case left <= 0:
			l.expired(channel, []string{key})
		default:
			all = append(all, taken{channel, key, body, time.Duration(left) * time.Millisecond})
		}
	}
	return all
}

// wrongType logs that the key of a channel holds no list.
func (l *Layer) wrongType(h *host, channel, problem string) {
	h.wrong.report(func() {
		l.log.Error("a key of Redis has the wrong type for a channel, so the channel is not read; delete the key", logkey.Channel, channel, keyHost, h.name, logkey.Error, strings.TrimPrefix(problem, "ERR "))
	})
}

// putBack puts messages back at the head of their lists, in order.
func (l *Layer) putBack(h *host, all []taken) {
	for i := len(all) - 1; i >= 0; i-- {
		t := all[i]
		if _, err := h.eval(context.Background(), kindPutBack, putBackScript, []string{t.key, l.opts.Prefix + t.channel}, t.body, t.left.Milliseconds()); err != nil && t.body != "" {
			l.log.Error("lost a message that could not be put back", logkey.Channel, t.channel, logkey.Error, err)
		}
	}
}
