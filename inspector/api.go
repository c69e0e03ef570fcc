package inspector

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/pprof"
	"os"
	"strconv"
	"strings"

	"asgibox/asgi"
	"asgibox/asgi/codec"
	"asgibox/store"
)

// maxRequest is the longest body of a call, in bytes. JSON may take a few
// times what a message takes.
const maxRequest = 8 << 20

// routes is the table of what the control server serves.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", s.healthz)
	mux.Handle("GET /metrics", s.metrics())
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	if s.opts.Remote != nil {
		mux.Handle("/layer/", s.opts.Remote)
	}
	for pattern, call := range map[string]func(http.ResponseWriter, *http.Request) error{
		"GET /api/live":               s.live,
		"GET /api/tail":               s.tailLines,
		"GET /api/status":             s.getStatus,
		"GET /api/messages":           s.getMessages,
		"GET /api/message":            s.getMessage,
		"GET /api/trace":              s.getTrace,
		"GET /api/channels":           s.getChannels,
		"GET /api/waiting":            s.getWaiting,
		"GET /api/groups":             s.getGroups,
		"GET /api/connections":        s.getConnections,
		"GET /api/workers":            s.getWorkers,
		"GET /api/state":              s.getState,
		"GET /api/loads":              s.getLoads,
		"GET /api/chaos":              s.getChaos,
		"POST /api/chaos":             s.setChaos,
		"POST /api/state/set":         s.setState,
		"POST /api/state/delete":      s.deleteState,
		"POST /api/send":              s.send,
		"POST /api/group/send":        s.groupSend,
		"POST /api/group/add":         s.groupAdd,
		"POST /api/group/discard":     s.groupDiscard,
		"POST /api/channel/pause":     s.pause,
		"POST /api/channel/resume":    s.resume,
		"POST /api/channel/step":      s.step,
		"POST /api/channel/drain":     s.drain,
		"POST /api/channel/edit":      s.edit,
		"POST /api/channel/drop":      s.drop,
		"POST /api/connections/close": s.closeConnection,
		"POST /api/flush":             s.flush,
		"POST /api/forget":            s.forget,
		"POST /api/reload":            s.reload,
		"POST /api/ignore":            s.ignore,
		"POST /api/workers":           s.setWorkers,
		"POST /api/replay":            s.replay,
		"POST /api/play":              s.play,
		"POST /api/playback":          s.playback,
	} {
		mux.Handle(pattern, answering(call))
	}
	mux.Handle("/", page())
	return mux
}

// answering makes a handler of a call whose error becomes the answer.
func answering(call func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/playback" { // it has a bound of its own
			r.Body = http.MaxBytesReader(w, r.Body, maxRequest)
		}
		if err := call(w, r); err != nil {
			var long *http.MaxBytesError
			if errors.As(err, &long) {
				err = &statusError{http.StatusRequestEntityTooLarge, "MessageTooLarge", fmt.Sprintf("the body is too long: %d MiB are taken at most", long.Limit>>20)}
			}
			status, kind := statusOf(err)
			writeJSON(w, status, map[string]string{"error": kind, "detail": err.Error()})
		}
	})
}

// A statusError is an error with the answer that it makes.
type statusError struct {
	status       int
	kind, detail string
}

func (e *statusError) Error() string { return e.detail }

func badRequest(err error) error {
	return &statusError{http.StatusBadRequest, "BadRequest", err.Error()}
}

func notFound(format string, args ...any) error {
	return &statusError{http.StatusNotFound, "NotFound", fmt.Sprintf(format, args...)}
}

func missing(what string) error {
	return &statusError{http.StatusNotImplemented, "Unsupported", what}
}

// statuses are the answers to the layer's errors.
var statuses = []struct {
	err    error
	status int
	kind   string
}{
	{asgi.ErrInvalidName, http.StatusBadRequest, "InvalidName"},
	{asgi.ErrInvalidMessage, http.StatusBadRequest, "InvalidMessage"},
	{codec.ErrMalformed, http.StatusBadRequest, "BadRequest"},
	{asgi.ErrMessageTooLarge, http.StatusRequestEntityTooLarge, "MessageTooLarge"},
	{asgi.ErrChannelFull, http.StatusServiceUnavailable, "ChannelFull"},
	{asgi.ErrStoreFailed, http.StatusServiceUnavailable, "StoreFailed"},
	{asgi.ErrClosed, http.StatusServiceUnavailable, "Closed"},
}

func statusOf(err error) (status int, kind string) {
	var own *statusError
	var gone *store.NoMessageError
	switch {
	case errors.As(err, &own):
		return own.status, own.kind
	case errors.Is(err, os.ErrDeadlineExceeded):
		return http.StatusBadRequest, "BadRequest"
	case errors.As(err, &gone):
		return http.StatusNotFound, "NotFound"
	}
	for _, s := range statuses {
		if errors.Is(err, s.err) {
			return s.status, s.kind
		}
	}
	return http.StatusInternalServerError, "Error"
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func answer(w http.ResponseWriter, v any) error {
	writeJSON(w, http.StatusOK, v)
	return nil
}

// args are the arguments of a call.
type args asgi.Fields

// arguments reads the JSON object of a call's body; its messages are in the
// JSON that the layer over HTTP has.
func arguments(r *http.Request) (args, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	fields, err := codec.DecodeFieldsJSON(body)
	return args(fields), err
}

// Get answers an argument, and whether it was given.
func (a args) Get(key string) (any, bool) {
	for _, f := range a {
		if f.Key == key {
			return f.Value, true
		}
	}
	return nil, false
}

// Text answers an argument if it is a text, else "".
func (a args) Text(key string) string {
	v, _ := a.Get(key)
	s, _ := v.(string)
	return s
}

// Octets answers an argument that is a text or a byte string, else "".
func (a args) Octets(key string) string {
	v, _ := a.Get(key)
	s, _ := asgi.Octets(v)
	return s
}

// Int answers an argument if it is an integer, else 0.
func (a args) Int(key string) int64 {
	v, _ := a.Get(key)
	n, _ := v.(int64)
	return n
}

// messageOf answers the message among a call's arguments.
func messageOf(args args) (asgi.Message, error) {
	v, _ := args.Get("message")
	dict, ok := v.(asgi.Dict)
	if !ok {
		return asgi.Message{}, badRequest(errors.New("message: an object is needed"))
	}
	return asgi.AsMessage(dict)
}

// limitOf reads how many to answer.
func limitOf(r *http.Request, otherwise, most int) int {
	n, err := strconv.Atoi(r.FormValue("limit"))
	if err != nil || n < 1 {
		return otherwise
	}
	return min(n, most)
}

func (s *Server) healthz(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, "ok\n")
}

// secured adds what keeps other pages from using what is answered.
func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		if !strings.HasPrefix(r.URL.Path, "/layer/") { // no page, and asked for often
			h.Set("X-Frame-Options", "DENY")
			h.Set("Referrer-Policy", "no-referrer")
			h.Set("Cross-Origin-Opener-Policy", "same-origin")
		}
		next.ServeHTTP(w, r)
	})
}
