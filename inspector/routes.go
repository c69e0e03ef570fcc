package inspector

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/pprof"
	"strconv"
	"strings"

	"asgibox/asgi"
	"asgibox/asgi/codec"
	"asgibox/asgi/remote"
	"asgibox/inspector/playback"
)

// maxRequest is the longest body of a call, in bytes. A message may be several
// times as long in JSON.
const maxRequest = 8 << 20

// maxCalls is how many calls of a kind may run at once that wait for something else than
// the application.
const maxCalls = 32

// routes returns the handler of all paths.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", healthz)
	mux.Handle("GET /metrics", few(maxCalls, serve(s.metricsHandler())))
	mux.Handle("/debug/pprof/", few(maxProfiles, serve(profiles())))
	if s.opts.Remote != nil {
		mux.Handle("/layer/", s.opts.Remote)
	}
	for pattern, f := range map[string]call{
		"GET /api/live":               s.live,
		"GET /api/tail":               s.tailLines,
		"GET /api/status":             query(s.getStatus),
		"GET /api/messages":           s.large(s.getMessages),
		"GET /api/message":            s.large(s.getMessage),
		"GET /api/trace":              s.large(s.getTrace),
		"GET /api/requests":           s.large(s.getRequests),
		"GET /api/request":            s.large(s.getRequest),
		"GET /api/har":                few(maxArchives, s.getHAR),
		"GET /api/channels":           s.large(s.getChannels),
		"GET /api/waiting":            need(s.opts.Contents != nil, errNoContents, s.large(s.getQueued)),
		"GET /api/groups":             s.large(s.getGroups),
		"GET /api/connections":        s.large(s.getConnections),
		"GET /api/workers":            query(s.getWorkers),
		"GET /api/state":              need(s.kv != nil, errNoState, s.large(s.getState)),
		"GET /api/loads":              query(s.getLoads),
		"GET /api/errors":             s.large(s.getErrors),
		"GET /api/error":              s.large(s.getError),
		"POST /api/errors":            query(s.addRemoteError),
		"POST /api/errors/forget":     change(s.forgetErrors),
		"POST /api/errors/replay":     s.waits(s.replayError),
		"GET /api/chaos":              need(s.opts.Chaos != nil, errNoChaos, query(s.getChaos)),
		"POST /api/chaos":             need(s.opts.Chaos != nil, errNoChaos, change(s.setChaos)),
		"POST /api/state/set":         need(s.kv != nil, errNoState, change(s.setState)),
		"POST /api/state/delete":      need(s.kv != nil, errNoState, change(s.deleteState)),
		"POST /api/send":              change(s.send),
		"POST /api/group/send":        need(s.groups != nil, errNoGroups, change(s.groupSend)),
		"POST /api/group/add":         need(s.groups != nil, errNoGroups, change(s.groupAdd)),
		"POST /api/group/discard":     need(s.groups != nil, errNoGroups, change(s.groupDiscard)),
		"POST /api/channel/pause":     s.channelChange(s.pause),
		"POST /api/channel/resume":    s.channelChange(s.resume),
		"POST /api/channel/step":      s.channelChange(s.step),
		"POST /api/channel/drain":     s.channelChange(s.drain),
		"POST /api/channel/edit":      s.channelChange(s.edit),
		"POST /api/channel/drop":      s.channelChange(s.drop),
		"POST /api/connections/close": need(s.opts.Front != nil, errNoFront, change(s.closeConnection)),
		"POST /api/flush":             need(s.flusher != nil, errNoFlush, query(s.flush)),
		"POST /api/forget":            query(s.forget),
		"POST /api/reload":            need(s.opts.Pool != nil, errNoPool, few(maxCalls, query(s.reload))),
		"POST /api/ignore":            change(s.ignore),
		"POST /api/workers":           need(s.opts.Pool != nil, errNoPool, change(s.setWorkers)),
		"POST /api/replay":            s.waits(s.replay),
		"POST /api/play":              s.waits(s.request),
		"POST /api/playback":          s.play,
		"POST /api/test":              changeBy(s.large, s.makeTest),
	} {
		mux.Handle(pattern, f)
	}
	mux.Handle("/", page())
	return mux
}

// profiles returns the handler of /debug/pprof/.
func profiles() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}

// A call is a handler that may fail. Its error is sent as the response.
type call func(http.ResponseWriter, *http.Request) error

func (f call) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	limit := int64(maxRequest)
	if r.URL.Path == "/api/playback" {
		limit = playback.MaxBytes
	}
	err := remote.LimitBody(w, r, limit)
	if err == nil {
		err = f(w, r)
	}
	if err != nil {
		writeError(w, err)
	}
}

// serve makes a call of a handler.
func serve(h http.Handler) call {
	return func(w http.ResponseWriter, r *http.Request) error {
		h.ServeHTTP(w, r)
		return nil
	}
}

// query makes a call that responds with the result of f.
func query(f func(*http.Request) (any, error)) call {
	return func(w http.ResponseWriter, r *http.Request) error {
		v, err := f(r)
		if err != nil {
			return err
		}
		return writeJSON(w, v)
	}
}

// change makes a call that responds with the result of f once the changes of
// the cause are on disk.
func change(f func(*http.Request, *asgi.Cause, args) (any, error)) call { return changeBy(query, f) }

// changeBy is change with [query] or [Server.large].
func changeBy(by func(func(*http.Request) (any, error)) call, f func(*http.Request, *asgi.Cause, args) (any, error)) call {
	return func(w http.ResponseWriter, r *http.Request) error {
		args, err := arguments(r)
		if err != nil {
			return err
		}
		return by(func(r *http.Request) (any, error) {
			c := asgi.NewCause(asgi.NewTrace())
			v, err := f(r, c, args)
			if err != nil {
				return nil, err
			}
			return v, c.Barrier().Wait(r.Context())
		})(w, r)
	}
}

// few returns f, of which at most n calls run at once.
func few(n int, f call) call {
	running := make(chan struct{}, n)
	return func(w http.ResponseWriter, r *http.Request) error {
		select {
		case running <- struct{}{}:
			defer func() { <-running }()
			return f(w, r)
		default:
			return remote.Errorf(remote.TooManyBodies, "%d calls of %s run already; try again when one has ended", n, r.URL.Path)
		}
	}
}

// need returns f, or a call that fails with the error if the server lacks a
// part that f needs.
func need(present bool, missing error, f call) call {
	if present {
		return f
	}
	return func(http.ResponseWriter, *http.Request) error { return missing }
}

// Errors of calls that need something that the server lacks.
var (
	errNoContents  = remote.Errorf(remote.NotFound, "the contents of this channel layer cannot be shown")
	errNotEmbedded = remote.Errorf(remote.NotFound, "pausing, stepping and changing waiting messages need the embedded layer, that is a server without --layer")
	errNoGroups    = remote.Errorf(remote.NotFound, "this channel layer has no groups")
	errNoState     = remote.Errorf(remote.NotFound, "this channel layer stores no state")
	errNoFlush     = remote.Errorf(remote.NotFound, "this channel layer cannot be flushed")
	errNoFront     = remote.Errorf(remote.NotFound, "this program has no protocol server")
	errNoPool      = remote.Errorf(remote.NotFound, "this program has no workers")
	errNoChaos     = remote.Errorf(remote.NotFound, "chaos is not enabled for this channel layer")
)

func badRequest(format string, args ...any) error {
	return remote.Errorf(remote.BadRequest, format, args...)
}

// writeJSON responds with a result.
func writeJSON(w http.ResponseWriter, v any) error {
	body, err := encodeJSON(v)
	if err != nil {
		return err
	}
	return writeBody(w, body)
}

func encodeJSON(v any) (*bytes.Buffer, error) {
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(v); err != nil {
		return nil, err
	}
	return &b, nil
}

// writeBody responds with the JSON of a result.
func writeBody(w http.ResponseWriter, body *bytes.Buffer) error {
	if err := w.(*answer).HoldAnswer(int64(body.Len())); err != nil {
		return err
	}
	startJSON(w, http.StatusOK)
	_, _ = body.WriteTo(w) // the client may be gone
	return nil
}

func writeError(w http.ResponseWriter, err error) {
	e := remote.ErrorOf(err)
	startJSON(w, e.Status())
	_ = json.NewEncoder(w).Encode(e)
}

func startJSON(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
}

// args are the arguments of a call.
type args struct{ asgi.Fields }

// arguments reads the JSON object of a call's body. Its messages have the JSON
// of the layer over HTTP.
func arguments(r *http.Request) (args, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return args{}, err
	}
	fields, err := codec.DecodeFieldsJSON(body)
	return args{fields}, err
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
			h.Set("X-Frame-Options", "SAMEORIGIN")
			h.Set("Referrer-Policy", "same-origin")
			h.Set("Cross-Origin-Opener-Policy", "same-origin")
		}
		next.ServeHTTP(w, r)
	})
}
