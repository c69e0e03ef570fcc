package inspector

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"time"

	"asgibox/asgi"
	"asgibox/asgi/remote"
	"asgibox/inspector/api"
	"asgibox/store"
)

// Values of api.Request.State.
const (
	stateWaiting    = "waiting"    // for a worker
	stateRunning    = "running"    // in its handler
	stateHeld       = "held"       // the handler has ended without a response
	stateStreaming  = "streaming"  // the response has begun
	stateDone       = "done"       // the response was sent
	stateLeft       = "left"       // the client has left before
	stateConnecting = "connecting" // the handshake has no reply
	stateOpen       = "open"
	stateRefused    = "refused"
	stateClosed     = "closed"
)

// states are all states.
var states = []string{
	stateWaiting, stateRunning, stateHeld, stateStreaming, stateDone, stateLeft,
	stateConnecting, stateOpen, stateRefused, stateClosed,
}

// state returns the state of an exchange.
func (x *exchange) state() string {
	if x.socket {
		return x.socketState()
	}
	switch {
	case x.visit != nil && x.visit.Status == 0:
		return stateLeft
	case x.visit != nil, !x.over.IsZero():
		return stateDone
	case x.status != 0:
		return stateStreaming
	case x.first.span != nil:
		return stateHeld
	case x.first.kind == store.Taken:
		return stateRunning
	}
	return stateWaiting
}

func (x *exchange) socketState() string {
	switch {
	case x.visit == nil && !x.over.IsZero():
		return stateClosed
	case x.visit == nil && (x.partial || x.frames > 0):
		return stateOpen
	case x.visit == nil || x.visit.Kind == visitConnecting:
		return stateConnecting
	case x.visit.Kind == visitConnect:
		return stateOpen
	case x.visit.Kind == visitRefused:
		return stateRefused
	}
	return stateClosed
}

// requestOf describes an exchange at a time.
func requestOf(x *exchange, now time.Time) api.Request {
	r := api.Request{
		ID: x.id, Socket: x.socket, State: x.state(), Partial: x.partial, Channel: x.reply, Method: x.method, Path: x.path,
		Version: x.version, Client: x.client, Status: x.status, Type: x.media, Started: api.UnixMilli(x.start()),
		BytesIn: x.in, BytesOut: x.out, FramesIn: x.frames, Parts: x.parts, Timing: x.timing(now),
	}
	if e := x.first; e != nil {
		if e.trace != 0 {
			r.Trace = e.trace.String()
		}
		if r.Generation, r.Why = e.taker, e.reason; e.span != nil {
			r.Handler, r.Worker = e.span.Handler, e.span.Worker
		}
		r.Failed = e.failed()
		if e.kind == store.Expired {
			r.Why = "it expired before a worker received it"
		}
	}
	if x.ended() || !x.over.IsZero() {
		r.DurationMS = api.Milliseconds(x.took())
	}
	if v := x.visit; v != nil {
		if v.Status != 0 {
			r.Status = v.Status
		}
		switch {
		case v.Kind == visitDisconnect:
			r.Why = closeReason(v.Status, v.By)
		case v.Kind == visitHTTP:
			r.BytesOut, r.Server = v.Bytes, v.Status != 0 && v.Status != x.status
		}
	}
	return r
}

// requests returns the newest exchanges that the filter accepts, the oldest
// first.
func (h *history) requests(limit int, f requestFilter) (requests []api.Request) {
	now := time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	list := h.exchanges.list
	for i := len(list) - 1; i >= 0 && len(requests) < limit; i-- {
		if f.accepts(list[i]) {
			requests = append(requests, requestOf(list[i], now))
		}
	}
	slices.Reverse(requests)
	return requests
}

// requestsSince returns the exchanges that have changed since an earlier call
// returned the cursor: those that the filter accepts, and the numbers of the
// others. The first cursor is zero.
func (h *history) requestsSince(cursor uint64, f requestFilter) (changed []api.Request, others []int, next uint64) {
	now := time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, x := range h.exchanges.list {
		switch {
		case x.changed <= cursor:
		case f.accepts(x):
			changed = append(changed, requestOf(x, now))
		default:
			others = append(others, x.id)
		}
	}
	return changed, others, h.exchanges.changes
}

const (
	// maxParts is how many messages of a request one response has.
	maxParts = 300
	// firstParts is how many of them are the first ones: the request and the
	// beginning of the response.
	firstParts = 2
)

// request returns an exchange with its messages. If there are too many, it leaves
// out some after the first ones.
func (h *history) request(id int) (api.FullRequest, bool) {
	now := time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	x := h.exchanges.byID(id)
	if x == nil {
		return api.FullRequest{}, false
	}
	r := api.FullRequest{Request: requestOf(x, now), Messages: []api.FullMessage{}}
	var all []*entry
	for _, e := range h.ring {
		if e.exchange == x {
			all = append(all, e)
		}
	}
	slices.SortStableFunc(all, inOrder) // a message that a handler received at once is recorded after those that it sent
	first, rest := selected(all)
	for _, e := range append(first, rest...) {
		r.Messages = append(r.Messages, fullMessageOf(e))
	}
	r.Left = len(all) - len(r.Messages)
	return r, true
}

// inOrder compares messages by the time when they were sent.
func inOrder(a, b *entry) int {
	return cmp.Or(a.sent.Compare(b.sent), cmp.Compare(a.id, b.id))
}

// selected returns the first and the newest of some messages, in all at most
// maxParts with about maxResponse bytes. The first are always among them.
func selected(all []*entry) (first, rest []*entry) {
	room, n := maxResponse, min(firstParts, len(all))
	first, rest = all[:n:n], all[n:]
	for _, e := range first {
		room -= len(e.content)
	}
	for i := len(rest); i > 0; i-- {
		if room -= len(rest[i-1].content); room < 0 || len(rest)-i >= maxParts-n {
			return first, rest[i:]
		}
	}
	return first, rest
}

// requestWith returns the number of the exchange that a message of the trace
// belongs to, or zero.
func (h *history) requestWith(t asgi.TraceID) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	if c := h.chains[t]; c != nil {
		for _, e := range c.entries {
			if e.exchange != nil {
				return e.exchange.id
			}
		}
	}
	return 0
}

func (s *Server) getRequests(r *http.Request) (any, error) {
	f, err := parseRequestFilter(r.FormValue("filter"))
	if err != nil {
		return nil, err
	}
	if err := s.collectNow(r.Context()); err != nil {
		return nil, err
	}
	return api.Requests{Requests: notNil(s.history.requests(limitOf(r, 300, maxExchanges), f))}, nil
}

func (s *Server) getRequest(r *http.Request) (any, error) {
	id, _ := strconv.Atoi(r.FormValue("id"))
	if text := r.FormValue("trace"); text != "" {
		t, err := parseTrace(text)
		if err != nil {
			return nil, err
		}
		if id = s.history.requestWith(t); id == 0 {
			return nil, remote.Errorf(remote.NotFound, "trace %s belongs to no request in the history", t)
		}
	}
	full, ok := s.history.request(id)
	if !ok {
		return nil, remote.Errorf(remote.NotFound, "request %s is not, or no longer, in the history", r.FormValue("id"))
	}
	return full, nil
}
