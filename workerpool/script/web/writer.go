package web

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"asgibox/asgi"
)

// HTTPRequest makes the net/http request of a message, for handlers that are
// written in Go.
func HTTPRequest(m asgi.Message, body io.Reader) *http.Request {
	r := &http.Request{
		Method:     m.Text("method"),
		URL:        &url.URL{Path: m.Text("path"), RawQuery: octetsOf(m, "query_string")},
		Proto:      "HTTP/" + m.Text("http_version"),
		ProtoMajor: 1,
		ProtoMinor: 1,
		Header:     http.Header{},
		Body:       io.NopCloser(body),
	}
	requestHeaders(m, func(name, value string) bool {
		if name == "host" {
			r.Host = value
		} else {
			r.Header.Add(name, value)
		}
		return true
	})
	if host, port, ok := address(m, "client"); ok {
		r.RemoteAddr = host + ":" + port
		if strings.Contains(host, ":") {
			r.RemoteAddr = "[" + host + "]:" + port
		}
	}
	return r
}

// ServeHTTP has a handler written in Go answer a request.
func ServeHTTP(h http.Handler, req *Request, s *Sender) error {
	w := &responseWriter{sender: s, header: http.Header{}}
	s.Head = req.message.Text("method") == "HEAD"
	h.ServeHTTP(w, HTTPRequest(req.message, &req.body))
	return w.close()
}

// A responseWriter is the http.ResponseWriter over a Sender. It holds one
// piece back, so that short responses are one message and others few.
type responseWriter struct {
	sender *Sender
	header http.Header
	head   *head // nil before WriteHeader and once sent
	begun  bool  // WriteHeader was called
	buf    bytes.Buffer
	err    error
}

func (w *responseWriter) Header() http.Header { return w.header }

func (w *responseWriter) WriteHeader(status int) {
	if w.begun || status < 200 {
		return // 1xx is the protocol server's
	}
	w.begun = true
	var pairs []any
	for _, name := range slices.Sorted(maps.Keys(w.header)) {
		for _, v := range w.header[name] {
			pairs = append(pairs, []any{asgi.Bytes(strings.ToLower(name)), asgi.Bytes(v)})
		}
	}
	list, err := asgi.NewList(pairs...)
	w.head, w.err = &head{status, list}, err
}

func (w *responseWriter) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if w.err != nil {
		return 0, w.err
	}
	if w.sender.Head {
		return len(p), nil
	}
	w.buf.Write(p)
	for w.buf.Len() > w.sender.piece() {
		w.send(w.buf.Next(w.sender.piece()), true)
	}
	return len(p), w.err
}

// Flush sends what was held back.
func (w *responseWriter) Flush() {
	w.WriteHeader(http.StatusOK)
	w.send(w.buf.Next(w.buf.Len()), true)
}

func (w *responseWriter) send(p []byte, more bool) {
	if w.err == nil {
		w.err = w.sender.message(w.head, asgi.Bytes(p), more)
		w.head = nil
	}
}

func (w *responseWriter) close() error {
	w.WriteHeader(http.StatusOK)
	w.send(w.buf.Bytes(), false)
	return w.err
}
