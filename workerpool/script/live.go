package script

import (
	"context"
	_ "embed"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"asgibox/asgi"
	"asgibox/workerpool"
)

// Paths of requests that pages make. They take precedence over all routes.
const (
	scriptURL = asgi.OwnPath + "page.js"
	stateURL  = asgi.OwnPath + "state" // returns the pageState when it differs from ?seen=
)

//go:embed page.js
var pageScript string

// livePages tells open pages that another generation is live, that served files
// have changed, and that a load has failed.
type livePages struct {
	reload bool // pages of views load again when the version changes

	mu      sync.Mutex // guards the rest
	current uint64
	failed  int           // number of failed loads
	changes int           // number of changes of served files
	events  int           // number of changes of the state
	error   *pageError    // of the last load, if it failed
	drained bool          // the server stops: no page may wait
	changed chan struct{} // closed when the state changes
}

// pageState is what open pages learn.
type pageState struct {
	Seen    string     `json:"seen"`    // differs from that of every other state
	Version string     `json:"version"` // of the application and the files that it serves
	Error   *pageError `json:"error,omitempty"`
}

// pageError is a failed load while an earlier generation continues.
type pageError struct {
	Title string `json:"title"`
	Text  string `json:"text"`
}

// maxWait is the longest wait of a page. The page then asks again.
const maxWait = 50 * time.Second

func newLivePages(reload bool) *livePages {
	return &livePages{reload: reload, changed: make(chan struct{})}
}

// version identifies the generation or the failed load that is being served, and
// the state of the files that pages show.
func (p *livePages) version() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.versionLocked()
}

func (p *livePages) versionLocked() string {
	if p.current == 0 {
		return "error " + strconv.Itoa(p.failed)
	}
	version := strconv.FormatUint(p.current, 10)
	if p.changes > 0 {
		version += "." + strconv.Itoa(p.changes)
	}
	return version
}

func (p *livePages) stateLocked() pageState {
	s := pageState{Seen: strconv.Itoa(p.events), Version: p.versionLocked()}
	if p.current > 0 { // otherwise every page is the error
		s.Error = p.error
	}
	return s
}

// change changes the state and notifies all waiting pages.
func (p *livePages) change(set func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	set()
	p.events++
	close(p.changed)
	p.changed = make(chan struct{})
}

// setCurrent sets the live generation.
func (p *livePages) setCurrent(number uint64) {
	p.change(func() { p.current, p.error = number, nil })
}

// filesChanged counts a change of served files.
func (p *livePages) filesChanged() { p.change(func() { p.changes++ }) }

// drain replies to all waiting pages and lets no page wait again.
func (p *livePages) drain() { p.change(func() { p.drained = true }) }

// loadFailed notes a failed load.
func (p *livePages) loadFailed(file string, err error) {
	text := strings.TrimSpace(Explain(err).Text(false))
	p.change(func() {
		p.failed++
		p.error = &pageError{file + " does not load; generation " + strconv.FormatUint(p.current, 10) + " continues", text}
	})
}

// wait returns the state as soon as it differs from the one that a page has seen,
// or when the context is done.
func (p *livePages) wait(ctx context.Context, seen string) (s pageState, drained bool) {
	timer := time.NewTimer(maxWait)
	defer timer.Stop()
	for {
		p.mu.Lock()
		s, drained = p.stateLocked(), p.drained
		changed := p.changed
		p.mu.Unlock()
		if s.Seen != seen || drained {
			return s, drained
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return s, drained
		case <-timer.C:
			return s, drained
		}
	}
}

// A pageReply is the response to a request that a page makes.
type pageReply struct {
	status     int
	kind, text string
}

// respond returns the response to a request below [asgi.OwnPath]. A request for
// the state may wait until the context is done.
func (p *livePages) respond(ctx context.Context, path, query string) pageReply {
	switch path {
	case stateURL:
		values, _ := url.ParseQuery(query)
		s, drained := p.wait(ctx, values.Get("seen"))
		text, _ := json.Marshal(s) // texts only
		status := http.StatusOK
		if drained {
			status = http.StatusServiceUnavailable // makes the page wait before its next request
		}
		return pageReply{status, "application/json", string(text)}
	case scriptURL:
		version := ""
		if p.reload {
			version = p.version()
		}
		return pageReply{http.StatusOK, "text/javascript; charset=utf-8", strings.ReplaceAll(pageScript, "VERSION", strconv.Quote(version))}
	}
	return pageReply{http.StatusNotFound, "text/plain; charset=utf-8", "no such page\n"}
}

// ServeHTTP serves the requests that pages with the script make to paths below
// [asgi.OwnPath].
func (l *Loader) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	reply := l.live.respond(r.Context(), r.URL.Path, r.URL.RawQuery)
	w.Header().Set("Content-Type", reply.kind)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(reply.status)
	_, _ = w.Write([]byte(reply.text)) // the page may be closed
}

// liveConsumer handles the requests for paths below [asgi.OwnPath] if the protocol
// server is in another process, which passes them on. It does not wait, because
// that would occupy a worker.
type liveConsumer struct{ loader *Loader }

func (c *liveConsumer) Name() string            { return "live" }
func (c *liveConsumer) Explain(err error) error { return err }
func (c *liveConsumer) Ordered() bool           { return true }
func (c *liveConsumer) Limit() string           { return "" }

// Consume replies immediately.
func (c *liveConsumer) Consume(ctx context.Context, j *workerpool.Job) error {
	reply := c.loader.live.now(j.Delivery.Message)
	return j.Send(ctx, j.ReplyChannel(), asgi.MustMessage(
		asgi.Field{Key: asgi.KeyStatus, Value: reply.status},
		asgi.Field{Key: asgi.KeyHeaders, Value: []any{
			[]any{asgi.Bytes("content-type"), asgi.Bytes(reply.kind)},
			[]any{asgi.Bytes("cache-control"), asgi.Bytes("no-store")},
		}},
		asgi.Field{Key: asgi.KeyContent, Value: asgi.Bytes(reply.text)},
	))
}

// now returns the response to a request without waiting.
func (p *livePages) now(m asgi.Message) pageReply {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return p.respond(ctx, m.Text(asgi.KeyPath), string(m.Bytes(asgi.KeyQueryString)))
}
