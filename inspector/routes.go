package inspector

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/pprof"
	"strconv"
	"strings"

	"asgibox/asgi"
	"asgibox/asgi/codec"
	"asgibox/asgi/remote"
)

// maxRequest is the longest body of a call, in bytes. A message may be several
// times as long in JSON.
const maxRequest = 8 << 20

// routes returns the handler of all paths.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", healthz)
	mux.Handle("GET /metrics", s.metricsHandler())
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
		"GET /api/waiting":            s.getQueued,
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
		"POST /api/play":              s.request,
		"POST /api/playback":          s.play,
	} {
		mux.Handle(pattern, handle(call))
	}
	mux.Handle("/", page())
	return mux
}

// handle makes a handler of a call. It sends an error as the response.
func handle(call func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/playback" { // has a limit of its own
			r.Body = http.MaxBytesReader(w, r.Body, maxRequest)
		}
		if err := call(w, r); err != nil {
			e := remote.ErrorOf(err)
			writeJSON(w, e.Status(), e)
		}
	})
}

// Errors of calls that need something that the server lacks.
var (
	errNoStore  = remote.Errorf(remote.NotFound, "the contents of this channel layer cannot be shown or changed")
	errNoGroups = remote.Errorf(remote.NotFound, "this channel layer has no groups")
	errNoState  = remote.Errorf(remote.NotFound, "this channel layer stores no state")
	errNoFlush  = remote.Errorf(remote.NotFound, "this channel layer cannot be flushed")
	errNoFront  = remote.Errorf(remote.NotFound, "this program has no protocol server")
	errNoPool   = remote.Errorf(remote.NotFound, "this program has no workers")
	errNoChaos  = remote.Errorf(remote.NotFound, "chaos is not enabled for this channel layer")
)

func badRequest(format string, args ...any) error {
	return remote.Errorf(remote.BadRequest, format, args...)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func respond(w http.ResponseWriter, v any) error {
	writeJSON(w, http.StatusOK, v)
	return nil
}

// args are the arguments of a call.
type args asgi.Fields

// arguments reads the JSON object of a call's body. Its messages have the JSON
// of the layer over HTTP.
func arguments(r *http.Request) (args, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	fields, err := codec.DecodeFieldsJSON(body)
	return args(fields), err
}

// Get returns an argument and reports whether it was given.
func (a args) Get(key string) (any, bool) {
	for _, f := range a {
		if f.Key == key {
			return f.Value, true
		}
	}
	return nil, false
}

// Text returns an argument if it is a text, or "".
func (a args) Text(key string) string {
	v, _ := a.Get(key)
	s, _ := v.(string)
	return s
}

// Octets returns an argument if it is a text or a byte string, or "".
func (a args) Octets(key string) string {
	v, _ := a.Get(key)
	s, _ := asgi.Octets(v)
	return s
}

// Int returns an argument if it is an integer, or 0.
func (a args) Int(key string) int64 {
	v, _ := a.Get(key)
	n, _ := v.(int64)
	return n
}

// Message returns the argument message.
func (a args) Message() (asgi.Message, error) {
	v, _ := a.Get("message")
	dict, ok := v.(asgi.Dict)
	if !ok {
		return asgi.Message{}, badRequest("message: must be an object")
	}
	return asgi.AsMessage(dict)
}

// limitOf reads the largest number of items to return.
func limitOf(r *http.Request, otherwise, most int) int {
	n, err := strconv.Atoi(r.FormValue("limit"))
	if err != nil || n < 1 {
		return otherwise
	}
	return min(n, most)
}

func healthz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, "ok\n")
}

// secure adds headers that keep other sites from using the responses.
func secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		if !strings.HasPrefix(r.URL.Path, "/layer/") { // frequent calls that return no pages
			h.Set("X-Frame-Options", "DENY")
			h.Set("Referrer-Policy", "no-referrer")
			h.Set("Cross-Origin-Opener-Policy", "same-origin")
		}
		next.ServeHTTP(w, r)
	})
}
