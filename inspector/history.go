package inspector

import (
	"slices"
	"sync"
	"time"

	"asgibox/asgi"
	"asgibox/asgi/codec"
	"asgibox/inspector/api"
	"asgibox/store"
)

// entryFootprint is roughly the size of an entry without its message, in bytes.
const entryFootprint = 400

// maxHistoryBytes limits the messages of the history, in bytes.
const maxHistoryBytes = 32 << 20

// maxChanges is how many changes a page may be behind before it misses some.
const maxChanges = 4096

// firstRefusal is the first number of refused messages. It is larger than the
// layer's numbers and small enough for JavaScript.
const firstRefusal = 1 << 52

// An entry is one message of the history. Its content is encoded, because a
// long history of dicts would cost the garbage collector much time.
type entry struct {
	id         uint64
	trace      asgi.TraceID
	channel    string
	group      string
	content    []byte // nil if the entry was evicted
	reply      string // the message's reply channel
	sent       time.Time
	ended      time.Time       // taken, expired or dropped; zero if it waits or was pushed
	kind       store.EventKind // of the last event
	waited     time.Duration
	generation uint64 // of the sender
	taker      uint64 // generation that received it
	place      string
	reason     string
	bytes      int
	chain      *chain
	span       *Span          // nil until a worker has handled it
	exchange   *exchange      // nil if it belongs to none
	failure    *failedMessage // nil unless its handler failed
}

// outcomes are the names of the states that a message may be in.
var outcomes = func() (names []string) {
	for _, k := range store.EventKinds() {
		names = append(names, k.String())
	}
	return append(names, unrouted, failed)
}()

const (
	unrouted = "no route" // a worker took the message, and no route matches it
	failed   = "failed"   // its handler failed
)

// A failedMessage is a message whose handler failed.
type failedMessage struct {
	id      uint64 // zero if unknown
	trace   asgi.TraceID
	channel string
	text    string
	err     string // id of the error
}

// outcome returns the name of the state of the message.
func (e *entry) outcome() string {
	switch {
	case e.failure != nil:
		return failed
	case e.span != nil && e.span.Unrouted:
		return unrouted
	}
	return e.kind.String()
}

// failed reports whether the handler of the message failed.
func (e *entry) failed() bool { return e.failure != nil || e.span != nil && e.span.Failed }

// failureText returns the text of the error of the message's handler, or "".
func (e *entry) failureText() string {
	if e.failure == nil {
		return ""
	}
	return e.failure.text
}

// message decodes the content.
func (e *entry) message() asgi.Message {
	m, _ := codec.Decode(e.content) // encoded by add
	return m
}

// A chain is the messages of one trace in the order in which they were sent.
type chain struct {
	trace   asgi.TraceID
	path    string // of the first request or WebSocket
	reply   string // reply channel of the first connection
	entries []*entry
	visit   *Visit // nil until the protocol server reported it
	// forgotten says that the history lacks some of the chain's uses of state
	// and sessions.
	forgotten bool
}

// history holds the newest messages, up to its limits.
type history struct {
	maxBytes int

	mu       sync.Mutex // guards the rest
	maxCount int
	ring     []*entry // oldest first
	bytes    int
	byID     map[uint64]*entry
	chains   map[asgi.TraceID]*chain
	changes  []*entry  // entries in the order of their changes
	first    int       // cursor of changes[0]
	lost     uint64    // events that were not recorded in full
	refusals uint64    // refused messages, which the layer does not number
	evicted  time.Time // when the newest entry was sent that the history does not hold any more

	exchanges exchanges

	accesses    []store.Access // the newest uses of state and sessions
	accessBytes int
}

func newHistory(maxCount, maxBytes int) *history {
	return &history{
		maxCount: maxCount, maxBytes: maxBytes,
		byID:      make(map[uint64]*entry),
		chains:    make(map[asgi.TraceID]*chain),
		exchanges: newExchanges(),
	}
}

// add adds events of the recorder and reports about the same traces.
func (h *history) add(events []store.Event, lost uint64, reported batch) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lost += lost
	for i := range events {
		h.addLocked(&events[i])
		h.evictLocked()
	}
	for _, span := range reported.spans {
		if e := h.byID[span.ID]; e != nil {
			e.span = &span
			h.exchanges.touch(e.exchange)
			if span.Unrouted {
				h.changes = append(h.changes, e)
			}
		}
	}
	for _, failure := range reported.failures {
		if e := h.failedLocked(&failure); e != nil {
			e.failure = &failure
			h.exchanges.touch(e.exchange)
			h.changes = append(h.changes, e)
		}
	}
	for _, visit := range reported.visits {
		if c := h.chains[visit.Trace]; c != nil {
			c.visit = &visit
		}
		h.exchanges.visited(&visit)
	}
	if over := len(h.changes) - maxChanges; over > 0 {
		h.first += over
		h.changes = append(h.changes[:0:0], h.changes[over:]...)
	}
}

// failedLocked returns the message of a failure. A worker in another process does
// not know the number of its message.
func (h *history) failedLocked(f *failedMessage) *entry {
	if f.id != 0 {
		return h.byID[f.id]
	}
	c := h.chains[f.trace]
	if c == nil {
		return nil
	}
	for _, e := range slices.Backward(c.entries) {
		if e.channel == f.channel && e.kind == store.Taken && e.failure == nil {
			return e
		}
	}
	return nil
}

func (h *history) addLocked(v *store.Event) {
	e, known := h.byID[v.ID]
	if !known || v.ID == 0 {
		e = h.newEntryLocked(v)
		defer h.exchanges.add(e, v.Message)
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
	h.exchanges.touch(e.exchange)
}

func (h *history) newEntryLocked(v *store.Event) *entry {
	e := &entry{
		id: v.ID, trace: v.Trace, channel: v.Channel,
		content: codec.Append(make([]byte, 0, v.Message.Size()), v.Message),
		reply:   v.Message.Text(asgi.KeyReplyChannel),
		sent:    v.At.Add(-v.Waited),
		bytes:   v.Message.Size() + entryFootprint,
	}
	h.ring = append(h.ring, e)
	h.bytes += e.bytes
	if e.id == 0 { // the layer numbers only messages that it accepts
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
		c.path = cutPath(v.Message.Text(asgi.KeyPath))
	}
	if c.reply == "" {
		c.reply = v.Message.Text(asgi.KeyReplyChannel)
	}
	return c
}

// setLimit changes the largest number of messages.
func (h *history) setLimit(maxCount int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.maxCount = maxCount
}

// evictLocked removes the oldest entries beyond the limits.
func (h *history) evictLocked() {
	n := 0
	for n < len(h.ring) && (len(h.ring)-n > h.maxCount || h.bytes > h.maxBytes) {
		e := h.ring[n]
		h.bytes -= e.bytes
		h.evicted = e.sent
		e.content = nil // h.changes may hold the entry for longer
		delete(h.byID, e.id)
		h.unchainLocked(e)
		h.ring[n] = nil
		n++
	}
	if n > 0 {
		h.ring = h.ring[n:]
	}
}

// unchainLocked removes an entry from its chain.
func (h *history) unchainLocked(e *entry) {
	if entries := e.chain.entries; len(entries) > 1 && entries[0] == e {
		e.chain.entries = entries[1:]
		return
	}
	e.chain.entries = slices.DeleteFunc(e.chain.entries, func(o *entry) bool { return o == e })
	if len(e.chain.entries) == 0 && h.chains[e.trace] == e.chain {
		delete(h.chains, e.trace)
	}
}

// clear removes all entries.
func (h *history) clear() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.first += len(h.changes)
	for _, e := range h.ring {
		e.content = nil // an archive that is being written may hold the entry for longer
	}
	h.ring, h.bytes, h.changes = nil, 0, nil
	h.accesses, h.accessBytes = nil, 0
	h.exchanges.clear()
	clear(h.byID)
	clear(h.chains)
}

// since returns the messages that have changed since an earlier call returned
// the cursor, at most limit of the newest, and the next cursor. It leaves out
// those that the history does not hold any more.
func (h *history) since(cursor, limit int, f *filter) (messages []api.Message, next int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	next = h.first + len(h.changes)
	from := max(cursor-h.first, 0)
	seen := make(map[*entry]bool)
	for i := len(h.changes) - 1; i >= from && len(messages) < limit; i-- {
		if e := h.changes[i]; !seen[e] && e.content != nil && f.accepts(e) {
			seen[e] = true
			messages = append(messages, messageOf(e))
		}
	}
	slices.Reverse(messages)
	return messages, next
}

// eachChange calls each once for every message that has changed since an earlier
// call returned the cursor, and returns the next cursor.
func (h *history) eachChange(cursor int, each func(*entry)) (next int) {
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

// newest returns the newest messages that the filter accepts, the oldest first,
// and the next cursor.
func (h *history) newest(limit int, f *filter) (messages []api.Message, next int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := len(h.ring) - 1; i >= 0 && len(messages) < limit; i-- {
		if e := h.ring[i]; f.accepts(e) {
			messages = append(messages, messageOf(e))
		}
	}
	slices.Reverse(messages)
	return messages, h.first + len(h.changes)
}

// message returns one message with its content.
func (h *history) message(id uint64) (api.FullMessage, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	e := h.byID[id]
	if e == nil {
		return api.FullMessage{}, false
	}
	return fullMessageOf(e), true
}

// trace returns all messages of a trace.
func (h *history) trace(t asgi.TraceID) (api.Trace, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := h.chains[t]
	if c == nil {
		return api.Trace{}, false
	}
	return traceOf(c), true
}

// origin returns the first message of a trace.
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
