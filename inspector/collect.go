package inspector

import (
	"sync"
	"sync/atomic"
	"time"

	"asgibox/asgi"
	"asgibox/asgi/remote"
	"asgibox/store"
)

const (
	// frameEvery is how often an open page gets a frame.
	frameEvery = 100 * time.Millisecond
	// idleEvery is how often the recorder is emptied while no page is open.
	idleEvery = time.Second
	// recorderLimit is how many events the recorder holds until then.
	recorderLimit = 8192
	// idleEvents and viewedEvents are roughly how many events per second are
	// recorded without and with an open page.
	idleEvents   = 200
	viewedEvents = 3000
	// idleBurst and viewedBurst are how many events at once lower the recorded
	// share.
	idleBurst   = 512
	viewedBurst = 2048
	// shortest is the shortest time in which the rate of events is measured.
	shortest = frameEvery / 2
)

// viewers counts open pages and running tails.
type viewers struct {
	count atomic.Int64
	wake  chan struct{} // capacity 1
}

// add counts one more viewer and wakes the collector.
func (v *viewers) add() error {
	if v.count.Add(1) > maxViewers {
		v.remove()
		return remote.Errorf(remote.TooManyViewers, "%d pages are open already; close one", maxViewers)
	}
	select {
	case v.wake <- struct{}{}:
	default:
	}
	return nil
}

func (v *viewers) remove() { v.count.Add(-1) }

// collectAll empties the recorder and updates the charts until the server ends.
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
		case done := <-s.collectCalls:
			timer.Stop()
			c.round(time.Now())
			close(done)
			continue
		case <-s.life.Done():
			timer.Stop()
			return
		}
		c.round(time.Now())
	}
}

// A collector is the state of the collecting goroutine.
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
	// Another layer than the embedded one is asked only while its figures are shown.
	if s.opts.Contents != nil && (s.recorder != nil || s.viewers.count.Load() > 0) {
		stats = s.opts.Contents.Totals().Stats
	}
	if s.recorder != nil {
		reported := s.reports.fetch() // first, because their messages were recorded before
		events, lost := s.recorder.Fetch(c.spare)
		s.history.add(events, lost, reported)
		s.history.addAccesses(s.recorder.FetchAccesses())
		clear(events) // because it refers to messages
		c.spare = events
		c.tune(stats.MessagesCount, now)
	}
	if now.Sub(c.second) >= time.Second-frameEvery/2 {
		c.second = now
		s.series.tick(now, stats.MessagesCount, stats.ChannelFullCount, stats.MessagesPending, s.visits)
	}
}

// tune sets the share of traces that is recorded: all of them if there are few,
// otherwise a share that keeps the number of events constant. It also makes the
// history shorter during heavy traffic while no page is open, because a long
// history costs the garbage collector time.
func (c *collector) tune(sent uint64, now time.Time) {
	seconds := now.Sub(c.at).Seconds()
	if seconds < shortest.Seconds() {
		return
	}
	events := 2 * float64(sent-min(c.sent, sent)) // sent and taken
	c.sent, c.at = sent, now
	budget, burst, history := float64(idleEvents), idleBurst, c.s.opts.HistoryMessages
	viewed := c.s.viewers.count.Load() > 0
	if viewed {
		budget, burst = viewedEvents, viewedBurst
	}
	share := 1.0
	if rate := events / seconds; rate > budget {
		share = budget / rate
		if !viewed {
			history /= 4
		}
	}
	c.s.recorder.SetShare(share)
	c.s.recorder.SetBurst(burst)
	c.s.history.setLimit(history)
}

// reports holds the reports of other packages until the collector fetches them,
// so that a report does not wait for a reader of the history.
type reports struct {
	unsent atomic.Int32 // reports of requests that were not sent to the application

	mu sync.Mutex // guards the rest
	batch
}

// A batch is the reports that came between two rounds.
type batch struct {
	visits   []Visit
	spans    []Span
	failures []failedMessage
}

func (s *reports) fetch() (b batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unsent.Store(0)
	b, s.batch = s.batch, batch{}
	return b
}

// maxUnsent is how many requests that the protocol server refused without a
// message are reported at once.
const maxUnsent = 100

// acceptsUnsent reports whether a visit is a request that the protocol server
// refused without a message, and whether there is room for it.
func (s *reports) acceptsUnsent(v *Visit) bool {
	return v.Trace == 0 && s.unsent.Add(1) <= maxUnsent
}

// addReport adds a report to one of the lists, unless that is full.
func addReport[T any](s *reports, list *[]T, report T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(*list) < recorderLimit {
		*list = append(*list, report)
	}
}
