package apptest

import (
	"bytes"
	"context"
	"io"
	"net/http"

	"asgibox/workerpool/script/explain"
)

// A network sends the requests of the module http. Sockets cannot be used in a
// bubble, so the goroutines of a network are outside: while a handler waits for
// one, the virtual time of its test stands still.
type network struct {
	lines chan *line // a free one, made outside of the bubble
}

// A line sends one request.
type line struct {
	request  chan *http.Request
	response chan networkResponse // has room for one
}

type networkResponse struct {
	*http.Response
	err error
}

// newNetwork returns a network that works until ctx is done.
func newNetwork(ctx context.Context) *network {
	n := &network{lines: make(chan *line)}
	go n.run(ctx) // ends with ctx
	return n
}

func (n *network) run(ctx context.Context) {
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment}
	defer transport.CloseIdleConnections()
	for {
		l := &line{make(chan *http.Request), make(chan networkResponse, 1)}
		select {
		case n.lines <- l:
			go l.serve(ctx, transport)
		case <-ctx.Done():
			return
		}
	}
}

func (l *line) serve(ctx context.Context, transport *http.Transport) {
	r := (<-l.request).WithContext(ctx)
	resp, err := transport.RoundTrip(r)
	if err == nil {
		var body []byte
		body, err = io.ReadAll(io.LimitReader(resp.Body, 64<<20))
		resp.Body.Close()
		resp.Body = io.NopCloser(bytes.NewReader(body))
	}
	l.response <- networkResponse{resp, err}
}

// client returns the client of the module http. Without a network, it refuses all
// requests.
func (n *network) client() *http.Client { return &http.Client{Transport: n} }

// RoundTrip sends a request from a bubble.
func (n *network) RoundTrip(r *http.Request) (*http.Response, error) {
	if n == nil {
		return nil, explain.Hintf("pass --network to send requests to other servers", "tests send no requests to other servers")
	}
	l := <-n.lines
	l.request <- r
	got := <-l.response
	return got.Response, got.err
}
