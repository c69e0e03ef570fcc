package web

import (
	"bytes"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"asgibox/asgi"
)

// goRequest returns the net/http request of a message, with the fields that
// serving files needs.
func goRequest(m asgi.Message) *http.Request {
	r := &http.Request{Method: m.Text(asgi.KeyMethod), URL: &url.URL{Path: m.Text(asgi.KeyPath)}, Header: http.Header{}}
	requestHeaders(m, func(name, value string) bool {
		r.Header.Add(name, value)
		return true
	})
	return r
}

// A responseWriter is an http.ResponseWriter that writes to a Sender. It buffers
// one piece, so that a response needs few messages and a short one needs only
// one.
type responseWriter struct {
	sender  *Sender
	header  http.Header
	head    *head // nil before WriteHeader and after it was sent
	started bool  // whether WriteHeader was called
	buf     bytes.Buffer
	err     error
}

func (w *responseWriter) Header() http.Header { return w.header }

func (w *responseWriter) WriteHeader(status int) {
	if w.started || status < 200 {
		return // only the protocol server sends 1xx
	}
	w.started = true
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

func (w *responseWriter) send(p []byte, more bool) {
	if w.err == nil {
		w.err = w.sender.message(w.head, asgi.Bytes(p), more)
		w.head = nil
	}
}

func (w *responseWriter) close() error {
	w.WriteHeader(http.StatusOK)
	if complete := w.head != nil && w.head.status == http.StatusOK; complete && w.err == nil && w.sender.Edit != nil && strings.HasPrefix(w.header.Get("Content-Type"), "text/html") {
		return w.edited()
	}
	w.send(w.buf.Bytes(), false)
	return w.err
}

// edited sends a complete response that the sender may change. The content of a
// response to HEAD is not known, so its length is left out.
func (w *responseWriter) edited() error {
	if !w.sender.Head {
		return w.sender.all(*w.head, asgi.Bytes(w.buf.Bytes()))
	}
	var pairs []any
	for _, item := range w.head.headers.All() {
		if item.(asgi.List).Octets(0) != "content-length" {
			pairs = append(pairs, item)
		}
	}
	list, err := asgi.NewList(pairs...)
	if err != nil {
		return err
	}
	return w.sender.message(&head{w.head.status, list}, "", false)
}
