package worker

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"asgibox/asgi"
)

// pieceSize is how much of a response is gathered before it is sent.
const pieceSize = 64 << 10

// A response turns what a handler writes into messages. A response that is
// small and not flushed is one message.
type response struct {
	ctx     context.Context
	layer   asgi.Layer
	cause   *asgi.Cause
	channel string

	header  http.Header
	status  int    // once WriteHeader was called
	head    []any  // of the headers, as they were then
	pending []byte // written and not sent
	begun   bool   // a message was sent
	over    bool
	err     error
}

// Header answers the headers that WriteHeader will send.
func (w *response) Header() http.Header { return w.header }

// WriteHeader settles status and headers. Informational ones are not for a
// channel to carry and are dropped.
func (w *response) WriteHeader(status int) {
	if w.status != 0 || status < 200 {
		return
	}
	w.status = status
	for name, values := range w.header {
		for _, v := range values {
			w.head = append(w.head, []any{asgi.Bytes(strings.ToLower(name)), asgi.Bytes(v)})
		}
	}
}

// Write gathers content and sends it in pieces.
func (w *response) Write(p []byte) (int, error) {
	w.settle(p)
	n := len(p)
	for len(p) > 0 && w.err == nil {
		room := min(pieceSize-len(w.pending), len(p))
		w.pending = append(w.pending, p[:room]...)
		p = p[room:]
		if len(w.pending) == pieceSize {
			w.send(true)
		}
	}
	if w.err != nil {
		return n - len(p), w.err
	}
	return n, nil
}

// settle is net/http's WriteHeader before the first Write, and its guess at
// the type of the content.
func (w *response) settle(p []byte) {
	if w.status != 0 {
		return
	}
	if _, typed := w.header["Content-Type"]; !typed && len(p) > 0 && w.header.Get("Content-Encoding") == "" {
		w.header.Set("Content-Type", http.DetectContentType(p))
	}
	w.WriteHeader(http.StatusOK)
}

// FlushError sends what was written so far.
func (w *response) FlushError() error {
	w.settle(nil)
	w.send(true)
	return w.err
}

// Flush is FlushError for handlers that look for http.Flusher.
func (w *response) Flush() { w.FlushError() }

// finish ends the response.
func (w *response) finish() error {
	w.settle(nil)
	w.send(false)
	w.over = true
	return w.err
}

// fail ends a response that went wrong: with an error page if nothing was sent,
// else by cutting it.
func (w *response) fail(status int) {
	if w.over {
		return
	}
	w.pending, w.err, w.over = nil, nil, true
	if w.begun {
		w.put(asgi.Fields{{Key: "abort", Value: true}})
		return
	}
	w.put(asgi.Fields{
		{Key: "status", Value: status},
		{Key: "headers", Value: []any{[]any{"content-type", "text/plain; charset=utf-8"}}},
		{Key: "content", Value: http.StatusText(status) + "\n"},
	})
}

func (w *response) send(more bool) {
	if w.err != nil {
		return
	}
	f := asgi.Fields{{Key: "content", Value: asgi.Bytes(w.pending)}, {Key: "more_content", Value: more}}
	if !w.begun {
		f = append(asgi.Fields{{Key: "status", Value: w.status}, {Key: "headers", Value: w.head}}, f...)
	}
	w.begun = true
	w.pending = w.pending[:0]
	w.put(f)
}

// put sends a message and, where the client is slow to read, waits for room.
func (w *response) put(f asgi.Fields) {
	m, err := asgi.Converter(nil).OwnMessage(f)
	for pause := time.Millisecond; err == nil; pause = min(2*pause, 50*time.Millisecond) {
		err = w.layer.Send(w.ctx, w.cause, w.channel, m)
		if !errors.Is(err, asgi.ErrChannelFull) {
			break
		}
		select {
		case <-time.After(pause):
			err = nil
		case <-w.ctx.Done():
			err = context.Cause(w.ctx)
		}
	}
	w.err = err
}
