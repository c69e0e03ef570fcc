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

// The paths under which pages learn that the application has changed. They are
// answered before any route.
const (
	livePath   = "/__asgibox__/"
	versionURL = livePath + "generation" // the live generation's number
	changeURL  = livePath + "change"     // the same, once it is another than ?seen=
	scriptURL  = livePath + "live.js"
)

//go:embed live.js
var liveScript string

// generations tells who waits when another generation is live.
type generations struct {
	layer asgi.Layer

	mu      sync.Mutex // guards the rest
	current uint64
	failed  int                    // loads that failed since
	waiting map[string]*time.Timer // by reply channel
	drained bool                   // nobody is to wait any more
}

const (
	// maxWaiting bounds how many pages wait at once.
	maxWaiting = 1000
	// waitAtMost is when a page is answered without news. It asks again.
	waitAtMost = 50 * time.Second
)

func newGenerations(l asgi.Layer) *generations {
	return &generations{layer: l, waiting: make(map[string]*time.Timer)}
}

// version names what is served now.
func (g *generations) version() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.versionLocked()
}

func (g *generations) versionLocked() string {
	if g.current == 0 {
		return "error " + strconv.Itoa(g.failed)
	}
	return strconv.FormatUint(g.current, 10)
}

// announce tells all that wait about the generation that is live.
func (g *generations) announce(number uint64) {
	g.mu.Lock()
	g.current = number
	g.mu.Unlock()
	g.tellAll()
}

// drain tells all that wait, and has nobody wait again: the server stops.
func (g *generations) drain() {
	g.mu.Lock()
	g.drained = true
	g.mu.Unlock()
	g.tellAll()
}

func (g *generations) tellAll() {
	g.mu.Lock()
	var replies []string
	for reply, timer := range g.waiting {
		timer.Stop()
		replies = append(replies, reply)
	}
	clear(g.waiting)
	version := g.versionLocked()
	g.mu.Unlock()
	for _, reply := range replies {
		g.answer(reply, version)
	}
}

// fail notes a load that failed.
func (g *generations) fail() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.failed++
}

// wait answers a page once what is served is not what it has seen.
func (g *generations) wait(reply, seen string) {
	g.mu.Lock()
	version := g.versionLocked()
	if version == seen && len(g.waiting) < maxWaiting && !g.drained {
		g.waiting[reply] = time.AfterFunc(waitAtMost, func() { g.giveUp(reply) })
		g.mu.Unlock()
		return
	}
	g.mu.Unlock()
	g.answer(reply, version)
}

// giveUp answers a page that has waited long.
func (g *generations) giveUp(reply string) {
	g.mu.Lock()
	_, waits := g.waiting[reply]
	delete(g.waiting, reply)
	version := g.versionLocked()
	g.mu.Unlock()
	if waits {
		g.answer(reply, version)
	}
}

// answer tells a page. One that has gone does not matter.
func (g *generations) answer(reply, version string) {
	if g.layer == nil {
		return
	}
	g.mu.Lock()
	status := http.StatusOK
	if g.drained {
		status = http.StatusServiceUnavailable // so that it does not ask again at once
	}
	g.mu.Unlock()
	_ = g.layer.Send(context.Background(), nil, reply, textResponse(status, "text/plain; charset=utf-8", version), asgi.Volatile)
}

func textResponse(status int, kind, text string) asgi.Message {
	return asgi.MustMessage(
		asgi.Field{Key: "status", Value: status},
		asgi.Field{Key: "headers", Value: []any{
			[]any{asgi.Bytes("content-type"), asgi.Bytes(kind)},
			[]any{asgi.Bytes("cache-control"), asgi.Bytes("no-store")},
		}},
		asgi.Field{Key: "content", Value: asgi.Bytes(text)},
	)
}

// liveConsumer answers what pages ask of us.
type liveConsumer struct{ loader *Loader }

func (c *liveConsumer) Name() string            { return "live" }
func (c *liveConsumer) Explain(err error) error { return err }
func (c *liveConsumer) Ordered() bool           { return true }
func (c *liveConsumer) Limit() string           { return "" }

// Consume answers at once, or keeps the reply channel until there is news.
func (c *liveConsumer) Consume(ctx context.Context, j *workerpool.Job) error {
	m := j.Delivery.Message
	g := c.loader.live
	switch m.Text("path") {
	case changeURL:
		j.Hold()
		seen, _ := strings.CutPrefix(string(m.Bytes("query_string")), "seen=")
		g.wait(j.ReplyChannel(), strings.ReplaceAll(seen, "%20", " "))
		return nil
	case scriptURL:
		text := strings.ReplaceAll(liveScript, "VERSION", strconv.Quote(g.version()))
		return j.Send(ctx, j.ReplyChannel(), textResponse(http.StatusOK, "text/javascript; charset=utf-8", text))
	}
	return j.Send(ctx, j.ReplyChannel(), textResponse(http.StatusOK, "text/plain; charset=utf-8", g.version()))
}

// withLive adds the live script to a page, if pages are to have it.
func (r *run) withLive(m asgi.Message) (asgi.Message, error) {
	if !r.unit.loader.opts.Live || !isPage(m) {
		return m, nil
	}
	content := m.Octets("content")
	const tag = `<script src="` + scriptURL + `"></script>`
	at := strings.LastIndex(strings.ToLower(content), "</body>")
	if at < 0 {
		at = len(content)
	}
	return m.With("content", asgi.Bytes(content[:at]+tag+content[at:]))
}

// isPage reports whether a response is an HTML page that can be added to.
func isPage(m asgi.Message) bool {
	if more, _ := m.Get("more_content"); more == true || !m.Has("content") {
		return false
	}
	v, _ := m.Get("headers")
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
