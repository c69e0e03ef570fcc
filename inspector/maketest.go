package inspector

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"asgibox/asgi"
	"asgibox/asgi/remote"
	"asgibox/inspector/api"
	"asgibox/inspector/testfile"
	"asgibox/store"
)

// makeTest writes a file of tests from chains of the history: those that begin
// with given traces, or those with a message since a time that the filter
// accepts. The time is in microseconds since 1970.
func (s *Server) makeTest(r *http.Request, _ *asgi.Cause, a args) (any, error) {
	f, err := parseFilter(a.Text("filter"))
	if err != nil {
		return nil, err
	}
	traces, err := a.traces()
	if err != nil {
		return nil, err
	}
	if err := s.collectNow(r.Context()); err != nil {
		return nil, err
	}
	since := time.UnixMicro(a.Int("since"))
	traffic, gaps := s.history.traffic(func(e *entry) bool {
		if traces != nil {
			return slices.Contains(traces, e.trace)
		}
		return !e.sent.Before(since) && f.accepts(e)
	})
	if a.Int("since") > 0 && s.history.evictedSince(since) {
		gaps = append(gaps, "the beginning is left out, because the history is full")
	}
	file, err := testfile.Write(traffic)
	if err != nil {
		return nil, remote.Errorf(remote.NotFound, "no test: %v", err)
	}
	if share := s.status().Share; share < 1 {
		gaps = append(gaps, fmt.Sprintf("only %.0f %% of the chains are recorded now, because the server is busy", share*100))
	}
	return api.Test{Text: file.Text, Tests: file.Tests, App: s.opts.AppFile, Gaps: notNil(append(gaps, file.Skipped...))}, nil
}

// traces returns the argument traces, or nil if there is none.
func (a args) traces() (traces []asgi.TraceID, err error) {
	v, given := a.Get("traces")
	if !given {
		return nil, nil
	}
	list, ok := v.(asgi.List)
	if !ok {
		return nil, badRequest("traces: must be a list of traces")
	}
	traces = []asgi.TraceID{}
	for _, item := range list.All() {
		text, _ := item.(string)
		t, err := parseTrace(text)
		if err != nil {
			return nil, err
		}
		traces = append(traces, t)
	}
	return traces, nil
}

// collectNow returns when the history has all events until now.
func (s *Server) collectNow(ctx context.Context) error {
	done := make(chan struct{})
	select {
	case s.collectCalls <- done:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.life.Done():
		return remote.Errorf(remote.NotFound, "the server is shutting down")
	}
	<-done
	return nil
}

// traffic returns the chains that have a message that select accepts, and the
// handshakes of the WebSockets in them. It also returns what is missing.
func (h *history) traffic(selects func(*entry) bool) (t testfile.Traffic, gaps []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	opened := map[string]*entry{} // by reply channel
	chains := map[asgi.TraceID]bool{}
	var found []asgi.TraceID // chains whose messages were not yet looked at
	take := func(e *entry) {
		if e.trace != 0 && !chains[e.trace] {
			chains[e.trace], found = true, append(found, e.trace)
		}
	}
	for _, e := range h.ring {
		if e.channel == asgi.WebSocketConnect {
			opened[e.reply] = e
		}
		if selects(e) {
			take(e)
		}
	}
	for len(found) > 0 { // a handshake may have caused messages to other WebSockets
		last := len(found) - 1
		c := h.chains[found[last]]
		found = found[:last]
		for _, e := range c.entries {
			for _, name := range []string{e.reply, e.channel} {
				if o := opened[name]; o != nil {
					take(o)
				}
			}
		}
	}
	forgotten := 0
	for trace := range chains {
		if h.chains[trace].forgotten {
			forgotten++
		}
	}
	if forgotten > 0 {
		gaps = append(gaps, fmt.Sprintf("the history does not have all state that %d of the chains read, because it was too much", forgotten))
	}
	for _, e := range h.ring {
		if chains[e.trace] && e.kind != store.Refused && e.kind != store.Dropped && e.kind != store.Expired {
			t.Messages = append(t.Messages, testfile.Message{ID: e.id, Trace: e.trace, Channel: e.channel, Sent: e.sent, Content: e.message()})
		}
	}
	slices.SortStableFunc(t.Messages, func(a, b testfile.Message) int { return cmp.Compare(a.ID, b.ID) })
	for _, use := range h.accesses {
		if chains[use.Trace] {
			t.Uses = append(t.Uses, testfile.Use{Trace: use.Trace, Key: use.Key, Before: use.Before, After: use.After, Read: use.Read})
		}
	}
	return t, gaps
}

// evictedSince reports whether the history has lost a message since a time.
func (h *history) evictedSince(t time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return !h.evicted.Before(t)
}
