// Package remote is the channel layer over HTTP, both ends of the wire: a
// [Handler] that serves any layer, and a [Client] that is itself an
// [asgi.Layer]. It lets any language be a worker or a protocol server, and
// people poke at a running system with curl.
//
// # Calls
//
// All calls are POST to a path under /layer/, with a dict as body and a dict as
// answer, in JSON or MessagePack as package codec has them. GET /layer/ tells
// what the layer is. docs/layer-http.md describes each; the table in calls.go
// is their one list.
//
// # Durability
//
// An answer leaves the process when all that the call wrote or read is on disk,
// or in a reader's hands, or of a kind that is never journalled. So is the
// removal of a message that receive answers.
//
// # Delivery
//
// A receiver that hangs up before the first byte of its answer loses nothing:
// the message goes back to the head of its queue. After that it may lose that
// one. A [Client] whose context ends does not hang up; it has the server end
// the wait, and returns a message that was assigned before.
//
// # Access
//
// The handler lets everybody in. Who may come is decided before it, by package
// guard on the control server.
package remote

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"

	"asgibox/asgi"
)

// Prefix is what the paths of all calls begin with.
const Prefix = "/layer/"

// Options of a [Handler]. The zero value works.
type Options struct {
	Version string       // of the program, as GET /layer/ tells it
	Log     *slog.Logger // nowhere
}

// Handler serves a layer over HTTP. It is mounted at [Prefix].
type Handler struct {
	layer   asgi.Layer
	version string
	log     *slog.Logger
	limit   int // bytes that a message may be encoded in
	life    context.Context
	end     context.CancelCauseFunc

	mu    sync.Mutex                         // guards waits
	waits map[string]context.CancelCauseFunc // receives that wait, by the id that their caller gave
}

// NewHandler returns a handler for the layer. Close it before the layer.
func NewHandler(layer asgi.Layer, o Options) *Handler {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	h := &Handler{
		layer:   layer,
		version: o.Version,
		log:     o.Log,
		limit:   layer.Settings().MaxMessage + asgi.MessageOverhead,
		waits:   map[string]context.CancelCauseFunc{},
	}
	h.life, h.end = context.WithCancelCause(context.Background())
	return h
}

// Close ends the receives that wait, so that the server they came through can
// shut down. Calls that wait are refused from now on.
func (h *Handler) Close() { h.end(asgi.ErrClosed) }

// ServeHTTP returns one call.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{h: h, w: w, r: r, in: jsonForm, out: jsonForm}
	name := strings.TrimPrefix(r.URL.Path, Prefix)
	switch {
	case name == "" && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		x.answer(h.about())
	case name == "":
		w.Header().Set("Allow", "GET, HEAD")
		x.fail(callError(kindMethod, "GET "+Prefix+" tells what this layer is; the calls are POST to paths under it"))
	case calls[name] == nil:
		x.fail(callError(kindNotFound, "there is no call "+r.URL.Path))
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", "POST")
		x.fail(callError(kindMethod, "calls are POST"))
	default:
		x.call(calls[name])
	}
}

// about tells what the layer is.
func (h *Handler) about() asgi.Fields {
	s := h.layer.Settings()
	names := make([]any, 0, 8)
	for _, name := range asgi.Extensions(h.layer) {
		names = append(names, name)
	}
	return asgi.Fields{
		{Key: "extensions", Value: names},
		{Key: "expiry", Value: s.Expiry.Seconds()},
		{Key: "group_expiry", Value: s.GroupExpiry.Seconds()},
		{Key: "capacity", Value: s.Capacity},
		{Key: "max_message", Value: s.MaxMessage},
		{Key: "version", Value: h.version},
	}
}
