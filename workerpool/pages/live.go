package pages

import (
	"context"
	_ "embed"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"asgibox/asgi"
	"asgibox/workerpool"
	"asgibox/workerpool/script/explain"
)

// Paths of requests that pages make. They take precedence over all routes.
const (
	scriptURL = asgi.OwnPath + "page.js"
	stateURL  = asgi.OwnPath + "state" // returns the pageState when it differs from ?seen=
)

//go:embed page.js
var pageScript string

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

// version identifies the generation or the failed load that is being served, and
// the state of the files that pages show.
func (p *Pages) version() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.versionLocked()
}

func (p *Pages) versionLocked() string {
	if p.current == 0 {
		return "error " + strconv.Itoa(p.failed)
	}
	version := strconv.FormatUint(p.current, 10)
	if p.changes > 0 {
		version += "." + strconv.Itoa(p.changes)
	}
	return version
}

func (p *Pages) stateLocked() pageState {
	s := pageState{Seen: strconv.Itoa(p.events), Version: p.versionLocked()}
	if p.current > 0 { // otherwise every page is the error
		s.Error = p.error
	}
	return s
}

// change changes the state and notifies all waiting pages.
func (p *Pages) change(set func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	set()
	p.events++
	close(p.changed)
	p.changed = make(chan struct{})
}

// Current notifies open pages that a generation is live.
func (p *Pages) Current(number uint64) {
	p.change(func() { p.current, p.error = number, nil })
}

// Refresh makes open pages load again if the option Live is set, because a file
// that they show has changed.
func (p *Pages) Refresh() {
	if p.opts.Live {
		p.change(func() { p.changes++ })
	}
}

// Drain replies to all waiting pages and lets no page wait again.
func (p *Pages) Drain() { p.change(func() { p.drained = true }) }

// LoadFailed shows the error of a load on open pages, and returns it. It shows
// nothing if there is no error, or if the context of the load was cancelled with
// [workerpool.ErrSuperseded].
func (p *Pages) LoadFailed(ctx context.Context, err error) error {
	if err == nil || context.Cause(ctx) == workerpool.ErrSuperseded {
		return err
	}
	text := strings.TrimSpace(explain.Of(err).Text(false))
	p.change(func() {
		p.failed++
		p.error = &pageError{p.opts.App + " does not load; generation " + strconv.FormatUint(p.current, 10) + " continues", text}
	})
	return err
}

// wait returns the state as soon as it differs from the one that a page has seen,
// or when the context is done.
func (p *Pages) wait(ctx context.Context, seen string) (s pageState, drained bool) {
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
func (p *Pages) respond(ctx context.Context, path, query string) pageReply {
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
		if p.opts.Live {
			version = p.version()
		}
		return pageReply{http.StatusOK, "text/javascript; charset=utf-8", strings.ReplaceAll(pageScript, "VERSION", strconv.Quote(version))}
	}
	return pageReply{http.StatusNotFound, "text/plain; charset=utf-8", "no such page\n"}
}

// ServeHTTP serves the requests that pages with the script make to paths below
// [asgi.OwnPath].
func (p *Pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	reply := p.respond(r.Context(), r.URL.Path, r.URL.RawQuery)
	w.Header().Set("Content-Type", reply.kind)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(reply.status)
	_, _ = w.Write([]byte(reply.text)) // the page may be closed
}

// Consumer returns the consumer of a request for a path below [asgi.OwnPath], or
// nil for another message. The protocol server passes such a request on if it is in
// another process.
func (p *Pages) Consumer(d asgi.Delivery) workerpool.Consumer {
	if p.opts.Production || !isOwn(d.Channel, d.Message) {
		return nil
	}
	return consumer{p}
}

// isOwn reports whether a message is a request for a path below [asgi.OwnPath].
func isOwn(channel string, m asgi.Message) bool {
	return channel == asgi.HTTPRequest && strings.HasPrefix(m.Text(asgi.KeyPath), asgi.OwnPath)
}

// consumer does not wait, because that would occupy a worker.
type consumer struct{ pages *Pages }

func (consumer) Name() string            { return "live" }
func (consumer) Explain(err error) error { return err }
func (consumer) Ordered() bool           { return true }
func (consumer) Limit() string           { return "" }

// Consume replies immediately.
func (c consumer) Consume(ctx context.Context, j *workerpool.Job) error {
	reply := c.pages.now(j.Delivery.Message)
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
func (p *Pages) now(m asgi.Message) pageReply {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return p.respond(ctx, m.Text(asgi.KeyPath), string(m.Bytes(asgi.KeyQueryString)))
}
