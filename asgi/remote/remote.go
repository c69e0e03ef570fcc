// Package remote is the channel layer over HTTP. It has both ends of the wire:
// a [Handler] that serves any layer, and a [Client] that is itself an
// [asgi.Layer]. With it, workers and protocol servers can be written in any
// language, and people can inspect a running system with curl.
//
// # Calls
//
// All calls are POST to a path under /layer/. Request and response bodies are
// dicts, in JSON or MessagePack as package codec writes them. GET /layer/
// returns a description of the layer. docs/layer-http.md describes each call;
// the table in calls.go lists them.
//
// # Durability
//
// The handler sends a response when everything that the call wrote or read,
// including the removal of a received message, is on disk. It does not wait for
// messages that have already been delivered or are never journalled.
//
// # Delivery
//
// If a receiver hangs up before the first byte of the response, the message
// goes back to the head of its queue. After that byte, the message may be lost.
// A [Client] whose context ends does not hang up: it asks the server to end the
// wait and returns the message if one was assigned before.
//
// # Access
//
// The handler does not restrict access. On the control server, package guard
// does that.
package remote

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"asgibox/asgi"
)

// Prefix is the prefix of the paths of all calls.
const Prefix = "/layer/"

// Options of a [Handler]. The zero value works.
type Options struct {
	Version string       // version of the program, for GET /layer/
	Log     *slog.Logger // default: no log

	// Outcome, if not nil, prepares to wait for the outcome of a message that
	// is about to be sent. If it fails, the message is not sent. It returns nil
	// if outcomes are not known.
	Outcome func(trace asgi.TraceID, channel string, m asgi.Message) (Outcome, error)

	// Program, if not nil, returns the layer for the calls of the program that
	// sent a request, or nil for that of the handler. [Handler.Readers] leaves
	// out a program that has its own.
	Program func(*http.Request) asgi.Layer
}

// An Outcome waits for the outcome of a message. Close must be called.
type Outcome interface {
	// Wait returns a description of the outcome, or "" if it is not known when
	// the time is over or the context is done.
	Wait(ctx context.Context, wait time.Duration) string
	Close()
}

// Unread is the outcome of a message that no reader waits for.
const Unread = "nothing reads this channel yet"

// Handler serves a layer over HTTP. It is mounted at [Prefix].
type Handler struct {
	layer   asgi.Layer
	version string
	log     *slog.Logger
	outcome func(asgi.TraceID, string, asgi.Message) (Outcome, error) // may be nil
	program func(*http.Request) asgi.Layer                            // may be nil
	limit   int                                                       // maximum length of an encoded message, in bytes
	life    context.Context
	end     context.CancelCauseFunc
	readers readers
	waiting atomic.Int64 // receives that wait over HTTP

	mu    sync.Mutex                         // guards waits
	waits map[string]context.CancelCauseFunc // waiting receives, by the id that the client gave
}

// NewHandler returns a handler for the layer. The caller must close it before
// the layer.
func NewHandler(layer asgi.Layer, o Options) *Handler {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	h := &Handler{
		layer:   layer,
		version: o.Version,
		log:     o.Log,
		outcome: o.Outcome,
		program: o.Program,
		limit:   layer.Settings().MaxMessage + asgi.MessageOverhead,
		waits:   map[string]context.CancelCauseFunc{},
	}
	h.life, h.end = context.WithCancelCause(context.Background())
	return h
}

// Close ends all waiting receives, so that the HTTP server can shut down. Later
// receives that wait fail with [asgi.ErrClosed].
func (h *Handler) Close() { h.end(asgi.ErrClosed) }

// ServeHTTP handles one call.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{h: h, w: w, r: r, in: jsonForm, out: jsonForm}
	name := strings.TrimPrefix(r.URL.Path, Prefix)
	switch {
	case name == "" && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		about := h.About()
		CheckValues(about)
		x.write(http.StatusOK, about)
	case name == "":
		w.Header().Set("Allow", "GET, HEAD")
		x.fail(Errorf(MethodNotAllowed, "use GET %s for a description of the layer, or POST to a path under it for a call", Prefix))
	case calls[name] == nil:
		x.fail(Errorf(NotFound, "there is no call %s", r.URL.Path))
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", "POST")
		x.fail(Errorf(MethodNotAllowed, "use POST for calls"))
	default:
		x.call(calls[name])
	}
}

// A Call is a call that did not come over HTTP.
type Call struct {
	Name  string      // without [Prefix]
	Args  asgi.Fields // the body
	Layer asgi.Layer  // nil for that of the handler
	Cause *asgi.Cause // nil for one with the trace of the arguments
	Agent string      // name of the program, for [Handler.Readers]; "" leaves it out

	// Rest is where Do puts the rest of a call that has sent its message and waits for
	// the outcome: a function that waits for it and returns the result. It must be
	// called once. If Rest is nil, Do waits.
	Rest *func(context.Context) asgi.Fields
}

// Do makes a call and returns its result, with the message that it received, if any.
// The values of the result are those that [asgi.NewMessage] takes. Do does not wait
// for the disk: the caller must wait for the barrier of the cause, which Do returns,
// where that matters. A receive without a timeout waits without limit.
func (h *Handler) Do(ctx context.Context, c Call) (result asgi.Fields, d *asgi.Delivery, cause *asgi.Cause, err error) {
	known := calls[c.Name]
	if known == nil {
		return nil, nil, c.Cause, Errorf(NotFound, "there is no call %q", c.Name)
	}
	args, err := newArguments(c.Args, known.keys)
	if err != nil {
		return nil, nil, c.Cause, err
	}
	w := &work{h: h, layer: c.Layer, ctx: ctx, cause: c.Cause, args: args, patient: true, rest: c.Rest}
	if w.layer == nil {
		w.layer = h.layer
	}
	if w.cause == nil {
		w.cause = args.cause()
	}
	if c.Agent != "" {
		w.from = readerKey{"unix", c.Agent}
	}
	result, err = w.do(known)
	return result, w.delivery, w.cause, err
}

// do makes the call.
func (w *work) do(c *call) (asgi.Fields, error) {
	result, err := c.do(w)
	if err == nil {
		err = w.args.err // of an argument that do did not check
	}
	return result, err
}

// About returns the description of the layer.
func (h *Handler) About() asgi.Fields {
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
