package store

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"asgibox/asgi"
)

// An EventKind is a kind of event in the life of a message.
type EventKind uint8

// The kinds of event.
const (
	Sent    EventKind = iota // accepted: handed to a reader, pushed to its connection, or queued
	Taken                    // taken by a reader
	Refused                  // not accepted: its channel was full, or its connection gone
	Expired                  // not taken in time
	Dropped                  // dropped by a debugger
	Delayed                  // accepted, to be sent at a later time
)

var kindNames = [...]string{"sent", "taken", "refused", "expired", "dropped", "delayed"}

func (k EventKind) String() string { return kindNames[k] }

// EventKinds returns all kinds.
func EventKinds() (kinds []EventKind) {
	for k := range kindNames {
		kinds = append(kinds, EventKind(k))
	}
	return kinds
}

// An Event is an event in the life of one message.
type Event struct {
	Kind       EventKind
	At         time.Time
	ID         uint64 // of the message; the same in all its events
	Trace      asgi.TraceID
	Channel    string
	Group      string // the group it was sent to, if any
	Message    asgi.Message
	Generation uint64        // of the sender or reader; zero outside an application
	Place      string        // file and line of the application that sent it, if known
	Waited     time.Duration // time in its queue until it was taken or expired
	Reason     string        // why it was refused
}

// A Recorder stores events until they are fetched. It never delays a sender:
// events beyond its limit are counted and dropped.
type Recorder struct {
	store *Store
	limit int
	share atomic.Uint64 // traces up to this number are recorded

	mu      sync.Mutex // guards the rest; may be taken while Store.mu is held, never the other way round
	events  []Event
	bytes   int // of their messages
	lost    uint64
	burst   int
	nextCut int // number of events at which the share is lowered next

	accesses     []Access
	accessBytes  int
	lostAccesses bool
}

// recorderBytes limits the messages of the events that a recorder stores, in
// bytes.
const recorderBytes = 32 << 20

// defaultBurst is the burst of a new recorder.
const defaultBurst = 1024

// Record starts a new recorder, which replaces the previous one. It stores at
// most limit events between two calls of Fetch, with 32 MiB of messages.
func (d *Debugger) Record(limit int) *Recorder {
	r := &Recorder{store: d.store, limit: limit, burst: defaultBurst, nextCut: defaultBurst}
	r.SetShare(1)
	d.store.recorder.Store(r)
	return r
}

// Stop ends the recording.
func (r *Recorder) Stop() { r.store.recorder.CompareAndSwap(r, nil) }

// SetShare sets the share of traces that are recorded, from 0 to 1. The events
// of one trace are recorded all or not at all. Only a burst of events can lower
// the share in between, so that it costs no more than steady traffic.
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

// SetBurst sets the number of events between two calls of Fetch that lowers the
// share. It takes effect at the next Fetch.
func (r *Recorder) SetBurst(events int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.burst = events
}

// Share returns the share of traces that are recorded now, from 0 to 1.
func (r *Recorder) Share() float64 { return float64(r.share.Load()) / math.MaxUint64 }

// Wants reports whether events of the trace are recorded. A nil recorder
// records none.
func (r *Recorder) Wants(t asgi.TraceID) bool { return r != nil && uint64(t) <= r.share.Load() }

// Fetch returns the events recorded since the last call, and how many were
// lost. The recorder stores the following events in into, which may be nil.
func (r *Recorder) Fetch(into []Event) (events []Event, lost uint64) {
	clear(into)
	r.mu.Lock()
	defer r.mu.Unlock()
	events, r.events, r.bytes = r.events, into[:0], 0
	lost, r.lost = r.lost, 0
	r.nextCut = r.burst
	return events, lost
}

func (r *Recorder) add(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.events) >= r.limit || r.bytes >= recorderBytes {
		r.lost++
		return
	}
	r.bytes += e.Message.Footprint()
	r.events = append(r.events, e)
	if len(r.events) == r.nextCut {
		r.share.Store(r.share.Load() / 8)
		r.nextCut += max(r.burst/8, 1)
	}
}

// noteSent records the outcome of a send. The kind is Sent or Delayed.
func (s *Store) noteSent(kind EventKind, c *asgi.Cause, r *record, group string, err error) {
	rec := s.recorder.Load()
	if !rec.Wants(r.trace) {
		return
	}
	at := s.now()
	if kind == Sent {
		at = s.sentAt(r)
	}
	e := Event{Kind: kind, At: s.time(at), ID: r.id, Trace: r.trace, Channel: r.channel, Group: group, Message: r.message}
	if c != nil {
		e.Generation = c.Generation
		if c.Place != nil {
			e.Place = c.Place()
		}
	}
	if err != nil {
		e.Kind, e.Reason = Refused, err.Error()
	}
	rec.add(e)
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
		Waited:  time.Duration(max(0, now-s.clock(d.Deadline)+s.lifetime(d.Lasting))),
	}
	if c != nil {
		e.Generation = c.Generation
	}
	rec.add(e)
}

// noteEnd records that a message expired or was dropped.
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
		Waited:  time.Duration(max(0, now-s.sentAt(r))),
	})
}
