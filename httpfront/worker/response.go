package worker

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"asgibox/asgi"
)

// pieceSize is how many bytes of a response are gathered before they are sent.
const pieceSize = 64 << 10

// A response is the ResponseWriter of a handler. It turns the response into
// messages. A short response that is not flushed is one message.
type response struct {
	ctx     context.Context
	layer   asgi.Layer
	cause   *asgi.Cause
	channel string
	isHead  bool // of a HEAD request, which is complete after the first message

	header   http.Header
	status   int    // set by WriteHeader
	head     []any  // the headers when WriteHeader was called
	pending  []byte // written but not sent
	started  bool   // a message was sent
	finished bool
	err      error
}

// Header returns the headers that WriteHeader will send.
func (w *response) Header() http.Header { return w.header }

// WriteHeader sets the status and fixes the headers. Informational responses are
// dropped, because a channel cannot carry them.
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
	w.writeDefaultHeader(p)
	n := len(p)
	for len(p) > 0 && w.err == nil {
		room := min(pieceSize-len(w.pending), len(p))
		w.pending = append(w.pending, p[:room]...)
		p = p[room:]
		if len(w.pending) == pieceSize {
			w.sendPending(true)
		}
	}
	return n - len(p), w.err
}

// writeDefaultHeader does what net/http does at the first Write: it calls
// WriteHeader and guesses the content type.
func (w *response) writeDefaultHeader(p []byte) {
	if w.status != 0 {
		return
	}
	if _, typed := w.header["Content-Type"]; !typed && len(p) > 0 && w.header.Get("Content-Encoding") == "" {
		w.header.Set("Content-Type", http.DetectContentType(p))
	}
	w.WriteHeader(http.StatusOK)
}

// FlushError sends the content that was written so far.
func (w *response) FlushError() error {
	w.writeDefaultHeader(nil)
	w.sendPending(true)
	return w.err
}

// Flush is FlushError for handlers that use http.Flusher.
func (w *response) Flush() { w.FlushError() }

// finish ends the response.
func (w *response) finish() error {
	w.writeDefaultHeader(nil)
	w.sendPending(false)
	w.finished = true
	return w.err
}

// fail ends a response after an error. It sends an error page, or aborts the
// response if a part was sent.
func (w *response) fail(status int) {
	if w.finished {
		return
	}
	w.pending, w.err, w.finished = nil, nil, true
	if w.started {
		w.sendMessage(asgi.Fields{{Key: asgi.KeyAbort, Value: true}})
		return
	}
	w.sendMessage(asgi.Fields{
		{Key: asgi.KeyStatus, Value: status},
		{Key: asgi.KeyHeaders, Value: []any{[]any{"content-type", "text/plain; charset=utf-8"}}},
		{Key: asgi.KeyContent, Value: http.StatusText(status) + "\n"},
	})
}

func (w *response) sendPending(more bool) {
	if w.err != nil {
		return
	}
	if w.isHead && w.started && more {
		w.pending = w.pending[:0]
		return
	}
	f := asgi.Fields{{Key: asgi.KeyContent, Value: asgi.Bytes(w.pending)}, {Key: asgi.KeyMoreContent, Value: more}}
	if !w.started {
		f = append(asgi.Fields{{Key: asgi.KeyStatus, Value: w.status}, {Key: asgi.KeyHeaders, Value: w.head}}, f...)
	}
	w.started = true
	w.pending = w.pending[:0]
	w.sendMessage(f)
}

// sendMessage sends a message. If the channel is full, it waits for room.
func (w *response) sendMessage(f asgi.Fields) {
	m, err := asgi.Converter(nil).OwnMessage(f)
	if err == nil {
		err = asgi.RetryWhileFull(w.ctx, 50*time.Millisecond, func() error {
			return w.layer.Send(w.ctx, w.cause, w.channel, m, asgi.ReportGone)
		})
	}
	if errors.Is(err, asgi.ErrChannelFull) {
		err = context.Cause(w.ctx)
	}
	w.err = err
}
