package script

import (
	"context"
	_ "embed"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"asgibox/asgi"
	"asgibox/workerpool"
)

// Paths for pages that reload when the application changes. They take precedence
// over all routes.
const (
	livePath   = "/__asgibox__/"
	versionURL = livePath + "generation" // returns the version
	changeURL  = livePath + "change"     // returns the version when it differs from ?seen=
	scriptURL  = livePath + "live.js"
)

//go:embed live.js
var liveScript string

// livePages notifies open pages when another generation is live or served files have changed.
type livePages struct {
	layer asgi.Layer

	mu      sync.Mutex // guards the rest
	current uint64
	failed  int                    // number of failed loads
	changes int                    // number of changes of served files
	waiting map[string]*time.Timer // by reply channel
	drained bool                   // the server stops: no page may wait
}

const (
	// maxWaiting is the maximum number of pages that wait.
	maxWaiting = 1000
	// maxWait is the longest wait of a request. The page then sends another.
	maxWait = 50 * time.Second
)

func newLivePages(l asgi.Layer) *livePages {
	return &livePages{layer: l, waiting: make(map[string]*time.Timer)}
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

// setCurrent sets the live generation and notifies all waiting pages.
func (p *livePages) setCurrent(number uint64) {
	p.mu.Lock()
	p.current = number
	p.mu.Unlock()
	p.notifyAll()
}

// filesChanged counts a change of served files and notifies all waiting pages.
func (p *livePages) filesChanged() {
	p.mu.Lock()
	p.changes++
	p.mu.Unlock()
	p.notifyAll()
}

// drain replies to all waiting pages and lets no page wait again.
func (p *livePages) drain() {
	p.mu.Lock()
	p.drained = true
	p.mu.Unlock()
	p.notifyAll()
}

func (p *livePages) notifyAll() {
	p.mu.Lock()
	var replies []string
	for reply, timer := range p.waiting {
		timer.Stop()
		replies = append(replies, reply)
	}
	clear(p.waiting)
	version := p.versionLocked()
	p.mu.Unlock()
	for _, reply := range replies {
		p.respond(reply, version)
	}
}

// loadFailed counts a failed load.
func (p *livePages) loadFailed() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failed++
}

// wait replies to a page when the version differs from the one it has seen.
func (p *livePages) wait(reply, seen string) {
	p.mu.Lock()
	version := p.versionLocked()
	if version == seen && len(p.waiting) < maxWaiting && !p.drained {
		p.waiting[reply] = time.AfterFunc(maxWait, func() { p.timeOut(reply) })
		p.mu.Unlock()
		return
	}
	p.mu.Unlock()
	p.respond(reply, version)
}

// timeOut replies to a page that has waited for maxWait.
func (p *livePages) timeOut(reply string) {
	p.mu.Lock()
	_, waits := p.waiting[reply]
	delete(p.waiting, reply)
	version := p.versionLocked()
	p.mu.Unlock()
	if waits {
		p.respond(reply, version)
	}
}

// respond sends the version to a page. It ignores errors because the page may be
// closed.
func (p *livePages) respond(reply, version string) {
	if p.layer == nil {
		return
	}
	p.mu.Lock()
	status := http.StatusOK
	if p.drained {
		status = http.StatusServiceUnavailable // makes the page wait before its next request
	}
	p.mu.Unlock()
	_ = p.layer.Send(context.Background(), nil, reply, textResponse(status, "text/plain; charset=utf-8", version), asgi.Volatile)
}

func textResponse(status int, kind, text string) asgi.Message {
	return asgi.MustMessage(
		asgi.Field{Key: asgi.KeyStatus, Value: status},
		asgi.Field{Key: asgi.KeyHeaders, Value: []any{
			[]any{asgi.Bytes("content-type"), asgi.Bytes(kind)},
			[]any{asgi.Bytes("cache-control"), asgi.Bytes("no-store")},
		}},
		asgi.Field{Key: asgi.KeyContent, Value: asgi.Bytes(text)},
	)
}

// liveConsumer handles requests for paths below livePath.
type liveConsumer struct{ loader *Loader }

func (c *liveConsumer) Name() string            { return "live" }
func (c *liveConsumer) Explain(err error) error { return err }
func (c *liveConsumer) Ordered() bool           { return true }
func (c *liveConsumer) Limit() string           { return "" }

// Consume replies immediately, or holds the request until the version changes.
func (c *liveConsumer) Consume(ctx context.Context, j *workerpool.Job) error {
	m := j.Delivery.Message
	p := c.loader.live
	switch m.Text(asgi.KeyPath) {
	case changeURL:
		j.Hold()
		seen, _ := strings.CutPrefix(string(m.Bytes(asgi.KeyQueryString)), "seen=")
		p.wait(j.ReplyChannel(), strings.ReplaceAll(seen, "%20", " "))
		return nil
	case scriptURL:
		text := strings.ReplaceAll(liveScript, "VERSION", strconv.Quote(p.version()))
		return j.Send(ctx, j.ReplyChannel(), textResponse(http.StatusOK, "text/javascript; charset=utf-8", text))
	}
	return j.Send(ctx, j.ReplyChannel(), textResponse(http.StatusOK, "text/plain; charset=utf-8", p.version()))
}

// withLive adds the live script to a page if the option Live is set.
func (r *run) withLive(m asgi.Message) (asgi.Message, error) {
	if !r.unit.loader.opts.Live || !isPage(m) {
		return m, nil
	}
	content := m.Octets(asgi.KeyContent)
	const tag = `<script src="` + scriptURL + `"></script>`
	at := strings.LastIndex(strings.ToLower(content), "</body>")
	if at < 0 {
		at = len(content)
	}
	return m.With(asgi.KeyContent, asgi.Bytes(content[:at]+tag+content[at:]))
}

// isPage reports whether a response is a complete HTML page that may be changed.
func isPage(m asgi.Message) bool {
	if more, _ := m.Get(asgi.KeyMoreContent); more == true || !m.Has(asgi.KeyContent) {
		return false
	}
	v, _ := m.Get(asgi.KeyHeaders)
	headers, _ := v.(asgi.List)
	html := false
	for _, h := range headers.All() {
		pair, ok := h.(asgi.List)
		if !ok || pair.Len() != 2 {
			return false
		}
		switch name, value := pair.Octets(0), pair.Octets(1); strings.ToLower(name) {
		case "content-type":
			html = strings.HasPrefix(strings.ToLower(value), "text/html")
		case "content-encoding", "content-length", "etag":
			return false
		}
	}
	return html
}
