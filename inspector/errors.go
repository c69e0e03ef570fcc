package inspector

import (
	"cmp"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"net/http"
	"regexp"
	"slices"
	"sync"
	"time"

	"asgibox/asgi"
	"asgibox/asgi/codec"
	"asgibox/asgi/remote"
	"asgibox/inspector/api"
)

const (
	// maxErrors and maxErrorBytes limit the list of distinct errors. The one
	// that has not occurred for the longest time is dropped.
	maxErrors     = 200
	maxErrorBytes = 8 << 20
	// MaxErrorMessage is the size of the largest message that is stored with
	// an error, in bytes.
	MaxErrorMessage = 256 << 10
	// maxFailures is how many occurrences of one error are listed.
	maxFailures = 20
	// renewEvery is the time after which an error that occurs again is stored
	// in full again.
	renewEvery = 200 * time.Millisecond
)

// A Failure is an error of the application, or a record of the log.
type Failure struct {
	api.Error // without its counts

	At      time.Time // the present if it is zero
	Trace   asgi.TraceID
	Number  uint64 // the layer's number of the message; zero if unknown
	Message asgi.Message
	TooLong bool   // the message is not there because it is too long
	Detail  string // the record of the log

	// Explain returns the calls and their source. It may be nil, and is not
	// called for most of the failures that occur at a high rate.
	Explain func() []api.ErrorPart
}

// errorKey identifies a distinct error.
type errorKey struct {
	kind, place, text string
	warning           bool
}

// id returns the name of an error, which is the same after a restart.
func (k errorKey) id() string {
	h := fnv.New64a()
	fmt.Fprintf(h, "%q %q %q %t", k.kind, k.place, k.text, k.warning)
	return fmt.Sprintf("%016x", h.Sum64())
}

// A knownError is one distinct error.
type knownError struct {
	full     api.FullError // without Content, and with its Failures oldest first
	channel  string        // of the message
	content  []byte        // the encoded message; nil if there is none
	size     int
	extended time.Time // when it was stored in full
}

// errorList holds the distinct errors.
type errorList struct {
	mu      sync.Mutex // guards the rest
	byID    map[string]*knownError
	bytes   int
	dropped uint64
	live    uint64            // the current generation
	loading string            // id of the error of the last load; empty if it succeeded
	remote  map[string]uint64 // current generations of workers in other processes
}

// Failed records a failure. It may be called from many goroutines.
func (s *Server) Failed(f Failure) {
	if f.At.IsZero() {
		f.At = time.Now()
	}
	if f.Kind == api.ErrorOfHandler {
		addReport(&s.reports, &s.reports.failures, failedMessage{f.Number, f.Trace, f.Channel, f.Text, keyOf(f).id()})
	}
	s.errors.add(f)
}

func keyOf(f Failure) errorKey { return errorKey{f.Kind, f.Place, f.Text, f.Warning} }

func (l *errorList) add(f Failure) {
	id := keyOf(f).id()
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.byID[id]
	if e == nil {
		e = &knownError{}
		e.full.Error, e.full.ID, e.full.First, e.full.Since = f.Error, id, api.UnixMilli(f.At), l.generationLocked(f)
		if l.byID == nil {
			l.byID = make(map[string]*knownError)
		}
		l.byID[id] = e
	}
	v := &e.full
	v.Count++
	v.Last, v.Generation = api.UnixMilli(f.At), l.generationLocked(f)
	v.Channel, v.Handler, v.Worker, v.Trace = f.Channel, f.Handler, f.Worker, traceText(f.Trace)
	v.Failures = keepNewest(append(v.Failures, api.Failure{At: v.Last, Generation: v.Generation, Trace: v.Trace}), maxFailures)
	if f.Kind == api.ErrorOfLoad {
		l.loading = id
	}
	if f.At.Sub(e.extended) >= renewEvery {
		l.bytes -= e.size
		e.extend(f)
		l.bytes += e.size
	}
	l.evictLocked(e)
}

// generationLocked returns the generation of a failure. A record of the log may have
// none.
func (l *errorList) generationLocked(f Failure) uint64 {
	if f.Worker != "" {
		return cmp.Or(f.Generation, l.remote[f.Worker])
	}
	return cmp.Or(f.Generation, l.live)
}

// extend stores a failure in full.
func (e *knownError) extend(f Failure) {
	v := &e.full
	e.extended, v.At, v.Cause, v.Detail, v.Parts = f.At, api.UnixMilli(f.At), traceText(f.Trace), f.Detail, nil
	if f.Explain != nil {
		v.Parts = f.Explain()
	}
	e.channel, e.content = f.Channel, nil
	hasMessage := f.Message.Len() > 0
	if v.TooLong = f.TooLong || f.Message.Size() > MaxErrorMessage; hasMessage && !v.TooLong {
		e.content = codec.Append(nil, f.Message)
	}
	e.size = entryFootprint + maxFailures*64 + len(e.content) + len(v.Text) + len(v.Detail)
	for _, p := range v.Parts {
		e.size += sizeOfPart(p)
	}
}

// sizeOfPart returns roughly the size of a part, in bytes.
func sizeOfPart(p api.ErrorPart) int {
	n := len(p.Text) + len(p.Hint)
	for _, f := range p.Frames {
		n += 150 + len(f.File) + len(f.Func) + len(f.Editor)
		for _, line := range f.Source {
			n += 30 + len(line.Text)
		}
		for _, v := range f.Locals {
			n += 40 + len(v.Name) + len(v.Value)
		}
	}
	return n
}

// evictLocked drops errors beyond the limits, but keeps the newest.
func (l *errorList) evictLocked(newest *knownError) {
	for len(l.byID) > 1 && (len(l.byID) > maxErrors || l.bytes > maxErrorBytes) {
		var oldest *knownError
		for _, e := range l.byID {
			if e != newest && (oldest == nil || e.full.Last < oldest.full.Last) {
				oldest = e
			}
		}
		l.removeLocked(oldest)
		l.dropped++
	}
}

func (l *errorList) removeLocked(e *knownError) {
	l.bytes -= e.size
	delete(l.byID, e.full.ID)
}

// loaded notes that a generation is live.
func (l *errorList) loaded(generation uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.live, l.loading = generation, ""
}

// maxRemote is how many workers in other processes are known.
const maxRemote = 100

// remoteLoaded notes that a generation of a worker in another process is live.
func (l *errorList) remoteLoaded(worker string, generation uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.remote == nil || len(l.remote) >= maxRemote {
		l.remote = make(map[string]uint64)
	}
	l.remote[worker] = generation
}

// nowLocked reports whether the current generation has an error.
func (l *errorList) nowLocked(e *knownError) bool {
	if e.full.Kind == api.ErrorOfLoad {
		return e.full.ID == l.loading
	}
	if e.full.Worker != "" {
		return e.full.Generation >= l.remote[e.full.Worker]
	}
	return e.full.Generation >= l.live
}

func (l *errorList) briefLocked(e *knownError) api.Error {
	v := e.full.Error
	v.Now = l.nowLocked(e)
	return v
}

// newest returns all errors, the newest first.
func (l *errorList) newest() api.Errors {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := api.Errors{Errors: make([]api.Error, 0, len(l.byID)), Dropped: l.dropped}
	for _, e := range l.byID {
		list.Errors = append(list.Errors, l.briefLocked(e))
	}
	slices.SortFunc(list.Errors, func(a, b api.Error) int {
		return cmp.Or(cmp.Compare(b.Last, a.Last), cmp.Compare(a.ID, b.ID))
	})
	return list
}

func (l *errorList) counts() (c api.ErrorCounts) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c.Load = l.loading
	for _, e := range l.byID {
		switch now := l.nowLocked(e); {
		case now && e.full.Warning:
			c.Warnings++
		case now:
			c.Now++
		case !e.full.Warning:
			c.Past++
		}
	}
	return c
}

// find returns an error by its id, or by the trace of one of its latest failures.
func (l *errorList) find(id, trace string) (api.FullError, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.byID[id]
	if trace != "" {
		for _, other := range l.byID {
			if slices.ContainsFunc(other.full.Failures, func(f api.Failure) bool { return f.Trace == trace }) && (e == nil || other.full.Last > e.full.Last) {
				e = other
			}
		}
	}
	if e == nil && trace != "" {
		e = l.byID[l.loading] // the response to every request, if no generation is live
	}
	if e == nil {
		return api.FullError{}, false
	}
	v := e.full
	v.Error = l.briefLocked(e)
	v.Failures = newestFirst(v.Failures)
	v.Parts = notNil(v.Parts)
	if m, ok := e.message(); ok {
		v.Content = jsonOf(m)
	}
	return v, true
}

// message decodes the message that the stored failure handled.
func (e *knownError) message() (m asgi.Message, ok bool) {
	if e.content == nil {
		return m, false
	}
	m, err := codec.Decode(e.content)
	return m, err == nil
}

// caused returns the channel and the message of the stored failure of an error.
func (l *errorList) caused(id string) (channel string, m asgi.Message, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.byID[id]
	if e == nil {
		return "", m, noError(id)
	}
	m, ok := e.message()
	if !ok {
		return "", m, remote.Errorf(remote.NotReplayable, "no message is stored with this error")
	}
	return e.channel, m, nil
}

// forget drops an error, or all if the id is empty.
func (l *errorList) forget(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.byID {
		if id == "" || e.full.ID == id {
			l.removeLocked(e)
		}
	}
	if id == "" {
		l.dropped = 0
	}
}

func noError(id string) error {
	return remote.Errorf(remote.NotFound, "error %s is not, or no longer, in the list", id)
}

func traceText(t asgi.TraceID) string {
	if t == 0 {
		return ""
	}
	return t.String()
}

func (s *Server) getErrors(*http.Request) (any, error) { return s.errors.newest(), nil }

func (s *Server) getError(r *http.Request) (any, error) {
	id, trace := r.FormValue("id"), r.FormValue("trace")
	e, ok := s.errors.find(id, trace)
	switch {
	case ok:
		return e, nil
	case trace != "":
		return nil, remote.Errorf(remote.NotFound, "no error of trace %s is in the list, or it has occurred more than %d times since", trace, maxFailures)
	}
	return nil, noError(id)
}

// maxReport is the longest report of a worker in another process, in bytes.
const maxReport = 1 << 20

// addRemoteError adds an error that a worker in another process reports.
func (s *Server) addRemoteError(r *http.Request) (any, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxReport+1))
	if err != nil {
		return nil, err
	}
	var v api.RemoteError
	if err := json.Unmarshal(body, &v); err != nil || len(body) > maxReport {
		return nil, badRequest("the report is not JSON, or longer than %d bytes", maxReport)
	}
	v.Worker = cut(cmp.Or(v.Worker, r.UserAgent(), r.RemoteAddr))
	if v.Live != 0 {
		s.errors.remoteLoaded(v.Worker, v.Live)
		return struct{}{}, nil
	}
	if v.Kind != api.ErrorOfHandler && v.Kind != api.ErrorOfLog || v.Text == "" {
		return nil, badRequest("the report needs a text, and a kind: %s or %s", api.ErrorOfHandler, api.ErrorOfLog)
	}
	withoutPageURLs(v.Parts)
	f := Failure{Error: v.Error, Detail: v.Detail, TooLong: v.TooLong, Explain: func() []api.ErrorPart { return v.Parts }}
	if v.Trace != "" {
		if f.Trace, err = parseTrace(v.Trace); err != nil {
			return nil, err
		}
	}
	if v.Content != nil {
		if f.Message, err = codec.DecodeJSON(v.Content); err != nil {
			return nil, err
		}
	}
	s.Failed(f)
	return struct{}{}, nil
}

// editorURL matches the URL of an editor. Browsers ignore some characters in a
// scheme, so it must be plain.
var editorURL = regexp.MustCompile(`^([a-z][a-z0-9+.-]*):`)

// withoutPageURLs removes links that a browser might open itself.
func withoutPageURLs(parts []api.ErrorPart) {
	for _, p := range parts {
		for i := range p.Frames {
			scheme := editorURL.FindStringSubmatch(p.Frames[i].Editor)
			if scheme == nil || slices.Contains(api.PageSchemes, scheme[1]) {
				p.Frames[i].Editor = ""
			}
		}
	}
}

func (s *Server) forgetErrors(_ *http.Request, _ *asgi.Cause, a args) (any, error) {
	s.errors.forget(a.Text("id"))
	return s.errors.newest(), nil
}

// replayError sends the message of an error again.
func (s *Server) replayError(r *http.Request, c *asgi.Cause, a args) (any, error) {
	channel, m, err := s.errors.caused(a.Text("id"))
	if err != nil {
		return nil, err
	}
	return s.resend(r.Context(), c, channel, m)
}
