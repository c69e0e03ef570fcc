package inspector

import (
	"math"
	"net/http"
	"sync/atomic"
	"time"

	"asgibox/asgi"
	"asgibox/store"
)

const (
	// frameEvery is how often a page that somebody looks at is drawn.
	frameEvery = 100 * time.Millisecond
	// idleEvery is how often the recorder is emptied while nobody looks.
	idleEvery = time.Second
	// recorderLimit is how many events may wait for that.
	recorderLimit = 8192
	// idleEvents and lookedEvents are how many events a second are recorded,
	// about: at most so large a share of the traces.
	idleEvents   = 200
	lookedEvents = 3000
)

// viewers counts who looks.
type viewers struct {
	count atomic.Int64
	wake  chan struct{} // of one; made by the collector's owner
}

// enter counts one more, whom the collector serves at once; leave ends that.
func (v *viewers) enter() error {
	if v.count.Add(1) > maxViewers {
		v.leave()
		return &statusError{http.StatusServiceUnavailable, "TooManyViewers", "sixteen pages look already; close one"}
	}
	select {
	case v.wake <- struct{}{}:
	default:
	}
	return nil
}

func (v *viewers) leave() { v.count.Add(-1) }

// collectAll empties the recorder and keeps the charts until the server ends.
func (s *Server) collectAll(c *collector) {
	if c.recorder != nil {
		defer c.recorder.Stop()
	}
	for {
		every := idleEvery
		if s.viewers.count.Load() > 0 {
			every = frameEvery
		}
		timer := time.NewTimer(every)
		select {
		case <-timer.C:
		case <-s.viewers.wake:
			timer.Stop()
		case <-s.life.Done():
			timer.Stop()
			return
		}
		c.round(time.Now())
	}
}

// collector is what the collecting goroutine remembers.
type collector struct {
	s        *Server
	recorder *store.Recorder
	spare    []store.Event
	second   time.Time // of the last point of the charts
	sent     uint64
	at       time.Time
}

func (c *collector) round(now time.Time) {
	s := c.s
	var stats asgi.Stats
	if c.recorder != nil {
		events, lost := c.recorder.Fetch(c.spare)
		s.history.add(events, lost)
		c.spare = events
		stats = s.opts.Store.Totals().Stats
		c.tune(stats.MessagesCount, now)
	}
	if now.Sub(c.second) >= time.Second-frameEvery/2 {
		c.second = now
		s.series.tick(now, stats.MessagesCount, stats.ChannelFullCount, stats.MessagesPending, s.visits)
	}
}

// tune sets the share of traces that is recorded: all of them while there are
// few, and as the traffic grows so many that their number stays.
func (c *collector) tune(sent uint64, now time.Time) {
	seconds := now.Sub(c.at).Seconds()
	events := 2 * float64(sent-min(c.sent, sent)) // sent and taken
	c.sent, c.at = sent, now
	budget := float64(idleEvents)
	if c.s.viewers.count.Load() > 0 {
		budget = lookedEvents
	}
	share := 1.0
	if rate := events / seconds; rate > budget {
		share = budget / rate
	}
	c.recorder.SetShare(share)
	c.s.history.setShare(share)
}

// share is how large a part of the traces is recorded, for those who would
// otherwise have to ask under a lock.
type share struct{ upTo atomic.Uint64 }

func (h *history) setShare(part float64) {
	if part >= 1 {
		h.share.upTo.Store(math.MaxUint64)
		return
	}
	h.share.upTo.Store(uint64(part * math.MaxUint64))
}

// wants reports whether the trace is among those that are recorded.
func (h *history) wants(t asgi.TraceID) bool { return t != 0 && uint64(t) <= h.share.upTo.Load() }

// sampled answers the part of all traces that is recorded, 0 to 1.
func (h *history) sampled() float64 { return float64(h.share.upTo.Load()) / math.MaxUint64 }
