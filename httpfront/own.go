package httpfront

import (
	"bytes"
	"context"
	"net/http"
	"strings"

	"asgibox/asgi"
	"asgibox/httpfront/http1"
)

// maxOwn is how many requests for the server itself may run. Most are of open pages
// that wait.
const maxOwn = 1000

// isOwn reports whether a request is for the server itself: see [Options.Own].
func (s *Server) isOwn(q *request) bool {
	return s.opts.Own != nil && strings.HasPrefix(q.path, asgi.OwnPath)
}

// serveOwn serves a request with [Options.Own].
func (s *Server) serveOwn(t transport, q *request) error {
	if q.length != 0 {
		return s.refuse(t, q, refusedOwnBody)
	}
	if refused := s.beginOwn(q); refused != nil {
		return s.refuse(t, q, *refused)
	}
	defer s.endOwn(q)
	ctx, cancel := context.WithCancel(t.context())
	defer cancel()
	r, err := q.toHTTP(ctx)
	if err != nil {
		return s.refuse(t, q, badRequest(err))
	}
	t.watch(unwatched{}, watchDelay)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-t.left():
			cancel()
		case <-s.life.Done():
			cancel()
		case <-ctx.Done():
		}
	}()
	w := &ownResponse{header: make(http.Header), status: http.StatusOK}
	s.opts.Own.ServeHTTP(w, r)
	cancel()
	<-ended
	t.unwatch()
	return s.refuse(t, q, refusal{response: w.reply()})
}

// beginOwn counts a request and the memory of its head until endOwn, or returns why it
// is refused.
func (s *Server) beginOwn(q *request) *refusal {
	if !holdHead(&s.heads, q.headMemory()) {
		return &refusedCrowded
	}
	if s.own.Add(1) > maxOwn {
		s.endOwn(q)
		return &refusedPages
	}
	return nil
}

func (s *Server) endOwn(q *request) {
	s.own.Add(-1)
	s.heads.Add(-q.headMemory())
}

// unwatched is a watcher that needs no call.
type unwatched struct{}

func (unwatched) watching() {}

// toHTTP returns a request without a body as net/http has it.
func (q *request) toHTTP(ctx context.Context) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, upper(q.method), q.uri, nil)
	if err != nil {
		return nil, err
	}
	for _, h := range q.fields {
		r.Header.Add(h.Name, h.Value)
	}
	r.Host, r.RemoteAddr = q.host, endpointString(q.peer.client)
	return r, nil
}

// An ownResponse is a response of [Options.Own] that is complete when the handler
// returns.
type ownResponse struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *ownResponse) Header() http.Header         { return w.header }
func (w *ownResponse) WriteHeader(status int)      { w.status = status }
func (w *ownResponse) Write(p []byte) (int, error) { return w.body.Write(p) }

func (w *ownResponse) reply() *reply {
	p := &reply{status: w.status, content: w.body.String()}
	for name, values := range w.header {
		for _, value := range values {
			p.headers = append(p.headers, http1.Header{Name: name, Value: value})
		}
	}
	return p
}
