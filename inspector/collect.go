package inspector

import (
	"net/http"
	"sync"
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
	// idleBurst and lookedBurst are how many at once lower that share.
	idleBurst   = 512
	lookedBurst = 2048
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
	if s.recorder != nil {
		defer s.recorder.Stop()
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
	s      *Server
	spare  []store.Event
	second time.Time // of the last point of the charts
	sent   uint64
	at     time.Time
}

func (c *collector) round(now time.Time) {
	s := c.s
	var stats asgi.Stats
	if s.recorder != nil {
		seen := s.seen.fetch() // first: what it tells of was recorded before it was seen
		events, lost := s.recorder.Fetch(c.spare)
		s.history.add(events, lost, seen)
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
// few, and as the traffic grows so many that their number stays. What is
// remembered costs the garbage collector as well: it is less while nobody looks
// at heavy traffic.
func (c *collector) tune(sent uint64, now time.Time) {
	seconds := now.Sub(c.at).Seconds()
	events := 2 * float64(sent-min(c.sent, sent)) // sent and taken
	c.sent, c.at = sent, now
	budget, burst, history := float64(idleEvents), idleBurst, c.s.opts.HistoryMessages
	looked := c.s.viewers.count.Load() > 0
	if looked {
		budget, burst = lookedEvents, lookedBurst
	}
	share := 1.0
	if rate := events / seconds; rate > budget {
		share = budget / rate
		if !looked {
			history /= 4
		}
	}
	c.s.recorder.SetShare(share)
	c.s.recorder.SetBurst(burst)
	c.s.history.keep(history)
}

// share answers how large a part of all traces is recorded, from 0 to 1.
func (s *Server) share() float64 {
	if s.recorder == nil {
		return 1
	}
	return s.recorder.Share()
}

// sightings are what others than the recorder have seen of the traces that it
// records.
type sightings struct {
	visits []Visit
	spans  []Span
}

// seen gathers sightings until the collector fetches them, so that who saw
// something waits for no reader of the history.
type seen struct {
	mu   sync.Mutex // guards all
	some sightings
}

func (s *seen) fetch() (some sightings) {
	s.mu.Lock()
	defer s.mu.Unlock()
	some, s.some = s.some, sightings{}
	return some
}

// visit notes how the protocol server saw a request or socket end.
func (s *seen) visit(v Visit) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.some.visits) < recorderLimit {
		s.some.visits = append(s.some.visits, v)
	}
}

// span notes who handled a message, and when.
func (s *seen) span(v Span) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.some.spans) < recorderLimit {
		s.some.spans = append(s.some.spans, v)
	}
}
