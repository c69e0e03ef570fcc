package inspector

import (
	"sync"
	"time"

	"asgibox/asgi"
	"asgibox/asgi/codec"
	"asgibox/store"
)

// entryFootprint is what an entry takes beside its message, in bytes, about.
const entryFootprint = 400

// changesKept is how many changes a page may be behind before it misses some.
const changesKept = 4096

// firstRefusal is where the numbers of refused messages begin: beyond those of
// the layer, and small enough for JavaScript.
const firstRefusal = 1 << 52

// An entry is what is known of one message. Its content is kept encoded: a long
// history of dicts would have the garbage collector walk through all of them.
type entry struct {
	id         uint64
	trace      asgi.TraceID
	channel    string
	group      string
	content    []byte
	reply      string // the message's reply channel
	sent       time.Time
	ended      time.Time       // taken, expired, dropped; zero if it waits, or was pushed
	kind       store.EventKind // the last thing that happened to it
	waited     time.Duration
	generation uint64 // of the sender
	taker      uint64 // the generation that took it
	place      string
	reason     string
	bytes      int
	chain      *chain
	span       *Span // nil until it was handled
}

// message answers the content.
func (e *entry) message() asgi.Message {
	m, _ := codec.Decode(e.content) // we have encoded it
	return m
}

// A chain is the messages of one trace, in the order of their sending.
type chain struct {
	trace   asgi.TraceID
	path    string // of the request or socket that began it
	reply   string // channel of the connection that began it
	entries []*entry
	visit   *Visit // how the protocol server saw it end
}

// history remembers messages, the newest of them, within its bounds.
type history struct {
	maxBytes int

	mu       sync.Mutex // guards the rest
	maxCount int
	ring     []*entry // oldest first
	bytes    int
	byID     map[uint64]*entry
	chains   map[asgi.TraceID]*chain
	changes  []*entry // what a page has to show anew
	first    int      // number of changes[0]
	lost     uint64   // events that were not recorded in full
	refusals uint64   // messages that the layer gave no number
}

func newHistory(maxCount, maxBytes int) *history {
	return &history{
		maxCount: maxCount, maxBytes: maxBytes,
		byID:   make(map[uint64]*entry),
		chains: make(map[asgi.TraceID]*chain),
	}
}

// add takes in what the recorder has seen, and what others have seen of the
// same traces.
func (h *history) add(events []store.Event, lost uint64, seen sightings) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lost += lost
	for i := range events {
		h.addLocked(&events[i])
	}
	for _, span := range seen.spans {
		if e := h.byID[span.ID]; e != nil {
			e.span = &span
		}
	}
	for _, visit := range seen.visits {
		if c := h.chains[visit.Trace]; c != nil {
			c.visit = &visit
		}
	}
	h.evictLocked()
	if over := len(h.changes) - changesKept; over > 0 {
		h.first += over
		h.changes = append(h.changes[:0:0], h.changes[over:]...)
	}
}

func (h *history) addLocked(v *store.Event) {
	e := h.byID[v.ID]
	if e == nil || v.ID == 0 {
		e = h.enterLocked(v)
	}
	switch v.Kind {
	case store.Sent, store.Refused, store.Delayed:
		e.sent, e.group, e.generation, e.place = v.At, v.Group, v.Generation, v.Place
		if e.ended.IsZero() {
			e.kind, e.reason = v.Kind, v.Reason
		}
	default:
		e.ended, e.kind, e.waited, e.taker = v.At, v.Kind, v.Waited, v.Generation
	}
	h.changes = append(h.changes, e)
}

func (h *history) enterLocked(v *store.Event) *entry {
	e := &entry{
		id: v.ID, trace: v.Trace, channel: v.Channel,
		content: codec.Append(make([]byte, 0, v.Message.Size()), v.Message),
		reply:   v.Message.Text("reply_channel"),
		sent:    v.At.Add(-v.Waited),
		bytes:   v.Message.Size() + entryFootprint,
	}
	h.ring = append(h.ring, e)
	h.bytes += e.bytes
	if e.id == 0 { // the layer numbers only what it takes
		h.refusals++
		e.id = firstRefusal + h.refusals
	}
	h.byID[e.id] = e
	e.chain = h.chainLocked(v)
	e.chain.entries = append(e.chain.entries, e)
	return e
}

func (h *history) chainLocked(v *store.Event) *chain {
	c := h.chains[v.Trace]
	if c == nil || v.Trace == 0 {
		c = &chain{trace: v.Trace}
		if v.Trace != 0 {
			h.chains[v.Trace] = c
		}
	}
	if c.path == "" {
		c.path = v.Message.Text("path")
	}
	if c.reply == "" {
		c.reply = v.Message.Text("reply_channel")
	}
	return c
}

// keep changes how many messages are remembered from now on.
func (h *history) keep(maxCount int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.maxCount = maxCount
}

// evictLocked forgets the oldest entries beyond the bounds.
func (h *history) evictLocked() {
	n := 0
	for n < len(h.ring) && (len(h.ring)-n > h.maxCount || h.bytes > h.maxBytes) {
		e := h.ring[n]
		h.bytes -= e.bytes
		delete(h.byID, e.id)
		h.leaveLocked(e)
		h.ring[n] = nil
		n++
	}
	if n > 0 {
		h.ring = h.ring[n:]
	}
}

// leaveLocked takes an entry out of its chain.
func (h *history) leaveLocked(e *entry) {
	if first := e.chain.entries; len(first) > 1 && first[0] == e {
		e.chain.entries = first[1:]
		return
	}
	kept := e.chain.entries[:0]
	for _, o := range e.chain.entries {
		if o != e {
			kept = append(kept, o)
		}
	}
	clear(e.chain.entries[len(kept):])
	e.chain.entries = kept
	if len(kept) == 0 && h.chains[e.trace] == e.chain {
		delete(h.chains, e.trace)
	}
}

// clear forgets everything.
func (h *history) clear() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.first += len(h.changes)
	h.ring, h.bytes, h.changes = nil, 0, nil
	clear(h.byID)
	clear(h.chains)
}

// since answers views of what has changed after a number that an earlier call
// answered, at most limit of the newest, and the number now.
func (h *history) since(cursor, limit int, f *filter) (views []messageView, next int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	next = h.first + len(h.changes)
	from := max(cursor-h.first, 0)
	seen := make(map[*entry]bool)
	for i := len(h.changes) - 1; i >= from && len(views) < limit; i-- {
		if e := h.changes[i]; !seen[e] && f.accepts(e) {
			seen[e] = true
			views = append(views, viewOf(e))
		}
	}
	reverse(views)
	return views, next
}

// moved calls for every message that has changed after a number that an earlier
// call answered, and answers the number now. A message that changed twice is
// told of once.
func (h *history) moved(cursor int, each func(*entry)) (next int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	changes := h.changes[min(max(cursor-h.first, 0), len(h.changes)):]
	seen := make(map[*entry]bool, len(changes))
	for _, e := range changes {
		if !seen[e] {
			seen[e] = true
			each(e)
		}
	}
	return h.first + len(h.changes)
}

// newest answers views of the newest entries that the filter accepts, oldest
// first, and the number to go on from.
func (h *history) newest(limit int, f *filter) (views []messageView, next int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := len(h.ring) - 1; i >= 0 && len(views) < limit; i-- {
		if e := h.ring[i]; f.accepts(e) {
			views = append(views, viewOf(e))
		}
	}
	reverse(views)
	return views, h.first + len(h.changes)
}

// message answers one message in full.
func (h *history) message(id uint64) (fullView, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	e := h.byID[id]
	if e == nil {
		return fullView{}, false
	}
	return fullViewOf(e), true
}

// chain answers all messages of a trace.
func (h *history) chain(t asgi.TraceID) (chainView, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := h.chains[t]
	if c == nil {
		return chainView{}, false
	}
	return chainViewOf(c), true
}

// origin answers the first message of a trace that came from a socket, to be
// replayed.
func (h *history) origin(t asgi.TraceID) (channel string, m asgi.Message, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := h.chains[t]
	if c == nil || len(c.entries) == 0 {
		return "", asgi.Message{}, false
	}
	return c.entries[0].channel, c.entries[0].message(), true
}

func (h *history) counts() (messages, bytes int, lost uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.ring), h.bytes, h.lost
}

func reverse[T any](s []T) {
	for i, j := 0, len(s)-1; i < j; i, j = i+1, j-1 {
		s[i], s[j] = s[j], s[i]
	}
}
