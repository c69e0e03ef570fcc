package redisstore

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"time"

	"asgibox/asgi"
)

// ChannelStatistics returns the statistics of one channel on all hosts. See
// [asgi.Statistics].
func (l *Layer) ChannelStatistics(ctx context.Context, channel string) (asgi.Stats, error) {
	if asgi.CheckSend(channel) != nil {
		if err := asgi.CheckReceive(channel); err != nil {
			return asgi.Stats{}, err
		}
	}
	hosts := l.hosts
	if asgi.KindOf(channel) != asgi.Normal {
		hosts = []*host{l.channelHost(channel)}
	}
	var s asgi.Stats
	for _, h := range hosts {
		v, err := h.eval(ctx, "statistics", statisticsScript, []string{l.listKey(channel)}, l.opts.StatsPrefix, asgi.ProcessPrefix(channel))
		if err != nil {
			return asgi.Stats{}, err
		}
		reply, _ := v.([]any)
		if len(reply) < 4 {
			continue
		}
		s.MessagesCount += uint64(number(reply[0]))
		s.ChannelFullCount += uint64(number(reply[1]))
		s.MessagesPending += int(number(reply[2]))
		s.MessagesMaxAge = max(s.MessagesMaxAge, l.age(number(reply[3])))
		l.expired(channel, texts(reply[4:]))
		if channel == asgi.DelayChannel {
			v, err := h.do(ctx, "statistics", "zcard", l.delayKey())
			if err != nil {
				return asgi.Stats{}, err
			}
			s.MessagesPending += int(number(v))
		}
	}
	l.rates.fill(channel, &s)
	return s, nil
}

// age returns how old a message is that has left ms to live, or 0 if there is none.
func (l *Layer) age(left int64) time.Duration {
	if left < 0 {
		return 0
	}
	return max(0, l.opts.Expiry-time.Duration(left)*time.Millisecond)
}

// GlobalStatistics returns the statistics of all channels. See
// [asgi.Statistics]. It looks at every list.
func (l *Layer) GlobalStatistics(ctx context.Context) (asgi.Stats, error) {
	var s asgi.Stats
	for _, h := range l.hosts {
		v, err := h.do(ctx, "statistics", "mget", l.opts.StatsPrefix+globalName+countSuffix, l.opts.StatsPrefix+globalName+fullSuffix)
		if err != nil {
			return asgi.Stats{}, err
		}
		if counts, _ := v.([]any); len(counts) == 2 {
			s.MessagesCount += uint64(number(counts[0]))
			s.ChannelFullCount += uint64(number(counts[1]))
		}
		err = h.scan(ctx, l.opts.Prefix, "list", func(keys []string) error {
			op := &operation{kind: "statistics"}
			var channels []string
			for _, key := range keys {
				if channel := key[len(l.opts.Prefix):]; !strings.HasPrefix(channel, ":") {
					channels = append(channels, channel)
					op.eval(statisticsScript, []string{key}, l.opts.StatsPrefix, channel)
				}
			}
			if len(channels) == 0 {
				return nil
			}
			if err := h.run(ctx, op); err != nil {
				return err
			}
			for i, cmd := range op.cmds {
				if reply, _ := cmd.Val().([]any); len(reply) >= 4 {
					s.MessagesPending += int(number(reply[2]))
					s.MessagesMaxAge = max(s.MessagesMaxAge, l.age(number(reply[3])))
					l.expired(channels[i], texts(reply[4:]))
				}
			}
			return h.failed(firstError(op.cmds))
		})
		if err != nil {
			return asgi.Stats{}, err
		}
		if v, err = h.do(ctx, "statistics", "zcard", l.delayKey()); err != nil {
			return asgi.Stats{}, err
		}
		s.MessagesPending += int(number(v))
	}
	l.rates.fill("", &s)
	return s, nil
}

// countFull counts messages that a mailbox had no room for.
func (l *Layer) countFull(prefix string, n int) {
	_, _ = l.hostOf(prefix).eval(context.Background(), "statistics", countScript, nil, l.opts.StatsPrefix, prefix, n)
}

// number returns an integer in a reply, which may be a text.
func number(v any) int64 {
	switch v := v.(type) {
	case int64:
		return v
	case string:
		n, _ := strconv.ParseInt(v, 10, 64)
		return n
	}
	return 0
}

// rates computes rates from the counters, which Redis keeps without them: over the
// time between two looks at a channel, at least rateWindow.
type rates struct {
	mu      sync.Mutex // guards the rest
	samples map[string]sample
}

// A sample has counters and when they were read.
type sample struct {
	at         time.Time
	sent, full uint64
	stats      asgi.Stats // with the last rates
}

const rateWindow = time.Second

// fill sets the rates of a channel.
func (r *rates) fill(channel string, s *asgi.Stats) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	last, ok := r.samples[channel]
	took := now.Sub(last.at)
	if ok && took >= rateWindow && took < time.Minute && s.MessagesCount >= last.sent && s.ChannelFullCount >= last.full {
		last.stats.MessagesCountPerSecond = float64(s.MessagesCount-last.sent) / took.Seconds()
		last.stats.ChannelFullCountPerSecond = float64(s.ChannelFullCount-last.full) / took.Seconds()
	}
	s.MessagesCountPerSecond = last.stats.MessagesCountPerSecond
	s.ChannelFullCountPerSecond = last.stats.ChannelFullCountPerSecond
	if ok && took < rateWindow {
		return
	}
	if r.samples == nil || len(r.samples) >= maxRemembered {
		r.samples = map[string]sample{}
	}
	r.samples[channel] = sample{now, s.MessagesCount, s.ChannelFullCount, *s}
}
