package inspector

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"asgibox/asgi"
	"asgibox/asgi/remote"
)

// maxAwait is the longest time that a caller may wait for an outcome.
const maxAwait = 10 * time.Second

// awaited holds the messages whose outcome a caller waits for.
type awaited struct {
	count atomic.Int64

	mu    sync.Mutex // guards the rest
	spans map[awaitedKey]chan Span
}

// An awaitedKey identifies a message that starts a trace. The messages that
// follow from it have the same trace.
type awaitedKey struct {
	trace   asgi.TraceID
	channel string
}

// add registers a message before it is sent. The caller must remove it.
func (a *awaited) add(key awaitedKey) <-chan Span {
	handled := make(chan Span, 1)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.spans == nil {
		a.spans = make(map[awaitedKey]chan Span)
	}
	a.spans[key] = handled
	a.count.Add(1)
	return handled
}

func (a *awaited) remove(key awaitedKey) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.spans, key)
	a.count.Add(-1)
}

// handled reports a handled message to the caller that waits for it.
func (a *awaited) handled(s *Span) {
	if a.count.Load() == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	select {
	case a.spans[awaitedKey{s.Trace, s.Channel}] <- *s:
	default: // no caller waits for it, or it has been reported
	}
}

// An outcome waits for the outcome of one message.
type outcome struct {
	awaited *awaited
	key     awaitedKey
	handled <-chan Span
	leave   func() // the calls that wait
}

// Outcome prepares to wait for the outcome of a message that is about to be sent.
// Only workers of this process report outcomes. It fails if too many calls wait.
func (s *Server) Outcome(trace asgi.TraceID, channel string, m asgi.Message) (remote.Outcome, error) {
	leave, err := s.waiting.enter(m.Footprint())
	if err != nil {
		return nil, err
	}
	key := awaitedKey{trace, channel}
	return &outcome{&s.awaited, key, s.awaited.add(key), leave}, nil
}

// Close ends the preparation.
func (o *outcome) Close() {
	o.awaited.remove(o.key)
	o.leave()
}

// Wait waits for the outcome, for at most the given time. It returns "" if the
// outcome is not known then.
func (o *outcome) Wait(ctx context.Context, wait time.Duration) string {
	ctx, cancel := context.WithTimeout(ctx, min(wait, maxAwait))
	defer cancel()
	select {
	case s := <-o.handled:
		switch {
		case s.Unrouted, s.Handler == "":
			return unrouted
		case s.Failed:
			return "failed in " + s.Handler
		}
		return "handled by " + s.Handler
	case <-ctx.Done():
		return ""
	}
}
