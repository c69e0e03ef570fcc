package asgitest

import (
	"time"

	"asgibox/asgi"
)

var needStatistics = []string{asgi.ExtStatistics}

var statistics = []promise{
	{name: "messages and refused sends are counted by channel", needs: append([]string{OneQueue}, needStatistics...), setup: capacityThree, check: func(r *rig) {
		r.fill("c", 10)
		r.send("d", 1)
		r.poll("c")
		if s := r.statistics("c"); s.MessagesCount != 3 || s.MessagesPending != 2 || s.ChannelFullCount != 1 {
			r.Errorf("c: %+v, want 3 messages, 2 pending, 1 refused", s)
		}
		if s := r.statistics("d"); s.MessagesCount != 1 || s.MessagesPending != 1 || s.ChannelFullCount != 0 {
			r.Errorf("d: %+v, want 1 message, 1 pending, none refused", s)
		}
	}},
	{name: "global statistics cover all channels", needs: append([]string{OneQueue}, needStatistics...), setup: capacityThree, check: func(r *rig) {
		r.fill("c", 10)
		r.send("d", 1)
		r.poll("c")
		if s := r.globalStatistics(); s.MessagesCount != 4 || s.MessagesPending != 3 || s.ChannelFullCount != 1 {
			r.Errorf("%+v, want 4 messages, 3 pending, 1 refused", s)
		}
	}},
	{name: "a message for a waiting reader is counted", needs: needStatistics, check: func(r *rig) {
		p := r.park("c")
		r.send("c", 1)
		p.wants(1)
		if s := r.statistics("c"); s.MessagesCount != 1 || s.MessagesPending != 0 {
			r.Errorf("%+v, want 1 message, none pending", s)
		}
	}},
	{name: "messages_max_age is the age of the oldest waiting message", needs: needStatistics, check: func(r *rig) {
		if s := r.statistics("c"); s.MessagesMaxAge != 0 {
			r.Errorf("for an empty channel it is %v", s.MessagesMaxAge)
		}
		r.send("c", 1)
		r.sleep(5 * time.Second)
		r.send("c", 2)
		for _, s := range []asgi.Stats{r.statistics("c"), r.globalStatistics()} {
			if s.MessagesMaxAge < r.suite.scale(5*time.Second) || s.MessagesMaxAge > time.Minute {
				r.Errorf("it is %v, want 5 s", s.MessagesMaxAge)
			}
		}
		r.poll("c")
		if s := r.statistics("c"); s.MessagesMaxAge >= r.suite.scale(5*time.Second) {
			r.Errorf("it is still %v after the oldest was received", s.MessagesMaxAge)
		}
	}},
	{name: "expired messages are not pending", needs: needStatistics, setup: tenSeconds, check: func(r *rig) {
		r.send("c", 1)
		r.sleep(11 * time.Second)
		if s := r.statistics("c"); s.MessagesPending != 0 || s.MessagesMaxAge != 0 {
			r.Errorf("%+v, want none pending", s)
		}
		if s := r.globalStatistics(); s.MessagesPending != 0 || s.MessagesMaxAge != 0 {
			r.Errorf("%+v, want none pending", s)
		}
	}},
	{name: "rates per second rise with traffic and fall without it", needs: needStatistics, setup: capacityThree, check: func(r *rig) {
		if !r.suite.bubble {
			return // each layer chooses the time over which it measures the rates
		}
		for range 20 {
			r.fill("c", 10)
			r.drain("c")
			r.sleep(100 * time.Millisecond)
		}
		for _, s := range []asgi.Stats{r.statistics("c"), r.globalStatistics()} {
			if s.MessagesCountPerSecond <= 0 || s.MessagesCountPerSecond > 60 || s.ChannelFullCountPerSecond <= 0 || s.ChannelFullCountPerSecond > 20 {
				r.Errorf("after 60 messages and 20 refusals in 2 s: %+v", s)
			}
		}
		r.sleep(time.Minute)
		for _, s := range []asgi.Stats{r.statistics("c"), r.globalStatistics()} {
			if s.MessagesCountPerSecond != 0 || s.ChannelFullCountPerSecond != 0 {
				r.Errorf("after a minute of silence: %+v", s)
			}
		}
	}},
	{name: "an unused channel has empty statistics", needs: needStatistics, check: func(r *rig) {
		if s := r.statistics("never"); s != (asgi.Stats{}) {
			r.Errorf("%+v", s)
		}
	}},
	{name: "statistics of an invalid name fail", needs: needStatistics, check: func(r *rig) {
		_, err := extension[asgi.Statistics](r).ChannelStatistics(r.ctx, "bad name")
		r.fails("channel_statistics", err, asgi.ErrInvalidName)
	}},
}

func (r *rig) statistics(channel string) asgi.Stats {
	r.Helper()
	stats, err := extension[asgi.Statistics](r).ChannelStatistics(r.ctx, channel)
	r.must(err)
	return stats
}

func (r *rig) globalStatistics() asgi.Stats {
	r.Helper()
	stats, err := extension[asgi.Statistics](r).GlobalStatistics(r.ctx)
	r.must(err)
	return stats
}
