package store

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"asgibox/asgi"
)

// An EventKind is what happened to a message.
type EventKind uint8

// The kinds of event.
const (
	Sent    EventKind = iota // it was accepted: handed to a reader, pushed to its connection, or queued
	Taken                    // a reader has it
	Refused                  // its channel was full, or its connection gone
	Expired                  // nobody took it in time
	Dropped                  // by hand
	Delayed                  // it waits for its time
)

var kindNames = [...]string{"sent", "taken", "refused", "expired", "dropped", "delayed"}

func (k EventKind) String() string { return kindNames[k] }

// EventKinds answers all kinds.
func EventKinds() (kinds []EventKind) {
	for k := range kindNames {
		kinds = append(kinds, EventKind(k))
	}
	return kinds
}

// An Event is one thing that happened to one message.
type Event struct {
	Kind       EventKind
	At         time.Time
	ID         uint64 // of the message: its events have it in common
	Trace      asgi.TraceID
	Channel    string
	Group      string // that it was sent to, if it was one
	Message    asgi.Message
	Generation uint64        // of who sent or took it; zero outside an application
	Place      string        // where in the application it was sent, if known
	Waited     time.Duration // in its queue, until it was taken or expired
	Reason     string        // why it was refused
}

// A Recorder notes events until somebody fetches them. It never holds up who
// sends: what does not fit is counted and lost.
type Recorder struct {
	store *Store
	limit int
	share atomic.Uint64 // traces up to this number are recorded

	mu      sync.Mutex // guards the rest; may be taken while Store.mu is held, never the other way round
	events  []Event
	lost    uint64
	burst   int
	nextCut int // how many events lower the share
}

// defaultBurst is what SetBurst says at first.
const defaultBurst = 1024

// Record begins to record and answers the recorder, in place of the one
// before. It keeps at most limit events between two calls of Fetch.
func (d *Debugger) Record(limit int) *Recorder {
	r := &Recorder{store: d.store, limit: limit, burst: defaultBurst, nextCut: defaultBurst}
	r.SetShare(1)
	d.store.recorder.Store(r)
	return r
}

// Stop ends the recording.
func (r *Recorder) Stop() { r.store.recorder.CompareAndSwap(r, nil) }

// SetShare says how large a part of all traces is recorded, from 0 to 1. What
// belongs to one trace is recorded together or not at all, unless a burst comes
// in between: it lowers the share, so that it costs no more than steady traffic.
func (r *Recorder) SetShare(share float64) {
	switch {
	case share >= 1:
		r.share.Store(math.MaxUint64)
	case share <= 0:
		r.share.Store(0)
	default:
		r.share.Store(uint64(share * math.MaxUint64))
	}
}

// SetBurst says how many events between two calls of Fetch lower the share,
// from the next call on.
func (r *Recorder) SetBurst(events int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.burst = events
}

// Share answers how large a part of all traces is recorded now, from 0 to 1.
func (r *Recorder) Share() float64 { return float64(r.share.Load()) / math.MaxUint64 }

// Wants reports whether the trace is among those that are recorded.
func (r *Recorder) Wants(t asgi.TraceID) bool { return r != nil && uint64(t) <= r.share.Load() }

// Fetch answers what was recorded since the last call, and how many events
// were lost. The slice into, which may be nil, is kept for what comes next.
func (r *Recorder) Fetch(into []Event) (events []Event, lost uint64) {
	clear(into)
	r.mu.Lock()
	defer r.mu.Unlock()
	events, r.events = r.events, into[:0]
	lost, r.lost = r.lost, 0
	r.nextCut = r.burst
	return events, lost
}

func (r *Recorder) add(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.events) >= r.limit {
		r.lost++
		return
	}
	r.events = append(r.events, e)
	if len(r.events) == r.nextCut {
		r.share.Store(r.share.Load() / 8)
		r.nextCut += max(r.burst/8, 1)
	}
}

// noteSent records the outcome of a send.
func (s *Store) noteSent(c *asgi.Cause, r *record, group string, err error) {
	rec := s.recorder.Load()
	if !rec.Wants(r.trace) {
		return
	}
	e := eventOf(c, r)
	e.Kind, e.At, e.Group = Sent, s.time(r.deadline-int64(s.opts.Expiry)), group
	if err != nil {
		e.Kind, e.Reason = Refused, err.Error()
	}
	rec.add(e)
}

// noteDelayed records the outcome of a send that was to wait for its time.
func (s *Store) noteDelayed(c *asgi.Cause, r *record, err error) {
	rec := s.recorder.Load()
	if !rec.Wants(r.trace) {
		return
	}
	e := eventOf(c, r)
	e.Kind, e.At = Delayed, s.time(s.now())
	if err != nil {
		e.Kind, e.Reason = Refused, err.Error()
	}
	rec.add(e)
}

// eventOf says of a message what its sender knows.
func eventOf(c *asgi.Cause, r *record) Event {
	e := Event{ID: r.id, Trace: r.trace, Channel: r.channel, Message: r.message}
	if c != nil {
		e.Generation = c.Generation
		if c.Place != nil {
			e.Place = c.Place()
		}
	}
	return e
}

// noteTaken records that a reader has a message.
func (s *Store) noteTaken(c *asgi.Cause, d *asgi.Delivery) {
	rec := s.recorder.Load()
	if !rec.Wants(d.Trace) {
		return
	}
	now := s.now()
	e := Event{
		Kind:    Taken,
		At:      s.time(now),
		ID:      d.ID,
		Trace:   d.Trace,
		Channel: d.Channel,
		Message: d.Message,
		Waited:  time.Duration(max(0, now-s.clock(d.Deadline)+int64(s.opts.Expiry))),
	}
	if c != nil {
		e.Generation = c.Generation
	}
	rec.add(e)
}

// noteEnd records the end of a message that nobody received.
func (s *Store) noteEnd(kind EventKind, r *record) {
	rec := s.recorder.Load()
	if !rec.Wants(r.trace) {
		return
	}
	now := s.now()
	rec.add(Event{
		Kind:    kind,
		At:      s.time(now),
		ID:      r.id,
		Trace:   r.trace,
		Channel: r.channel,
		Message: r.message,
		Waited:  time.Duration(max(0, now-r.deadline+int64(s.opts.Expiry))),
	})
}
