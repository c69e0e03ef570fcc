package httpfront

import (
	"html/template"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// lastReads is how long a client that was refused may go on sending its body.
const lastReads = 5 * time.Second

// A refusal is an answer that the server gives by itself.
type refusal struct {
	status  int
	title   string
	advice  string
	headers [][2]string
	closing bool // the connection cannot be used again

	response *reply // not a page: what the application wants instead
}

var (
	refusedTarget = refusal{status: http.StatusRequestURITooLong, title: "This address is too long",
		advice: "A request target may have 64 KiB. Send what is long in the body of a POST.", closing: true}
	refusedHeaders = refusal{status: http.StatusRequestHeaderFieldsTooLarge, title: "The request headers are too long",
		advice: "Target and headers together may have 64 KiB. If this is a browser, deleting the cookies of this site helps.", closing: true}
	refusedStopping = refusal{status: http.StatusServiceUnavailable, title: "The server is shutting down",
		advice: "Try again in a moment.", headers: [][2]string{{"Retry-After", "1"}}, closing: true}
	refusedFull = refusal{status: http.StatusServiceUnavailable, title: "The server is busy",
		advice:  "As many requests wait as may. Try again in a moment; who runs the server can add workers (--workers) or room (--capacity).",
		headers: [][2]string{{"Retry-After", "1"}}, closing: true}
	refusedSlowBody = refusal{status: http.StatusRequestTimeout, title: "The request took too long to arrive",
		advice: "The body stopped coming. Try again.", closing: true}
	refusedOrigin = refusal{status: http.StatusForbidden, title: "This page may not open a WebSocket here",
		advice: "Its origin is not the server's own. Who runs the server can let it in with --allow-origin.", closing: true}
	refusedDenied = refusal{status: http.StatusForbidden, title: "The application refused this WebSocket",
		advice: "Its answer to the handshake was a close.", closing: true}
	refusedNoUpgrade = refusal{status: http.StatusNotImplemented, title: "WebSockets cannot be opened here",
		advice: "What the server is mounted in does not let it take the connection over (http.Hijacker).", closing: true}
	refusedHandshakeLate = refusal{status: http.StatusForbidden, title: "Nobody answered this WebSocket handshake",
		advice: "Is a worker running that listens to websocket.connect and replies {accept: True}?", closing: true}
)

func badRequest(err error) refusal {
	return refusal{status: http.StatusBadRequest, title: "This request cannot be understood",
		advice: sentence(err.Error()), closing: true}
}

func (s *Server) refusedBody() refusal {
	return refusal{status: http.StatusRequestEntityTooLarge, title: "This is too much to upload",
		advice: "A request body may have " + itoa(s.opts.MaxBody) + " bytes here (--max-body).", closing: true}
}

func refusedTimeout(d time.Duration) refusal {
	return refusal{status: http.StatusServiceUnavailable, title: "No answer came in time",
		advice:  "The application did not begin to answer within " + d.String() + " (--http-timeout). Is a worker running that listens to http.request, and does its handler always send a response?",
		headers: [][2]string{{"Retry-After", "1"}}}
}

func refusedReply(problem string) refusal {
	advice := "What the application answered is not a response; the log says what is wrong."
	if problem != "" {
		advice = "What the application answered is not a response: " + sentence(problem)
	}
	return refusal{status: http.StatusInternalServerError, title: "The application's answer cannot be sent", advice: advice}
}

func refusedBroken(err error) refusal {
	return refusal{status: http.StatusInternalServerError, title: "The request could not be handed on", advice: sentence(err.Error())}
}

func sentence(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:] + "."
}

var page = template.Must(template.New("refusal").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{{.Title}}</title>
<style>body{font:1.1em/1.5 system-ui,sans-serif;max-width:34em;margin:12vh auto;padding:0 1em}
h1{font-size:1.5em;margin:0}p.s{color:#767676;margin:0}@media(prefers-color-scheme:dark){body{background:#181818;color:#ddd}}</style>
<p class="s">{{.Status}}</p><h1>{{.Title}}</h1><p>{{.Advice}}</p></html>
`))

// write sends the refusal as a page to browsers and as text to others.
func (f refusal) write(w http.ResponseWriter, r *http.Request) (written int64) {
	if f.response != nil {
		return f.response.write(w, r)
	}
	var body strings.Builder
	contentType := "text/plain; charset=utf-8"
	if strings.Contains(strings.Join(r.Header.Values("Accept"), ","), "text/html") {
		contentType = "text/html; charset=utf-8"
		page.Execute(&body, struct{ Status, Title, Advice string }{f.statusLine(), f.title, f.advice})
	} else {
		body.WriteString(f.statusLine() + "\n" + f.title + ". " + f.advice + "\n")
	}
	h := w.Header()
	clear(h)
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(body.Len()))
	h.Set("X-Content-Type-Options", "nosniff")
	for _, pair := range f.headers {
		h.Set(pair[0], pair[1])
	}
	if f.closing && r.ProtoMajor == 1 {
		h.Set("Connection", "close")
		// net/http reads what is left of the body, for a while.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(lastReads))
	}
	w.WriteHeader(f.status)
	if r.Method == http.MethodHead {
		return 0
	}
	n, _ := w.Write([]byte(body.String()))
	return int64(n)
}

// write sends a response that is whole.
func (p *reply) write(w http.ResponseWriter, r *http.Request) int64 {
	h := w.Header()
	h["Content-Type"] = nil
	for name, values := range p.headers {
		h[name] = values
	}
	setLength(h, len(p.content))
	h["Connection"] = []string{"close"}
	w.WriteHeader(p.status)
	n, _ := io.WriteString(w, p.content)
	return int64(n)
}

func (f refusal) statusLine() string {
	return strconv.Itoa(f.status) + " " + http.StatusText(f.status)
}

// refuse answers a request that gets no exchange.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, began time.Time, f refusal) {
	n := f.write(w, r)
	s.event(Event{
		Kind: HTTP, Client: peerOf(r).client, Method: upper(r.Method), Target: r.RequestURI, Version: version(r),
		Path: r.URL.Path, Status: f.status, Bytes: n, Duration: time.Since(began),
	})
}

// refuse answers in the place of the application.
func (x *exchange) refuse(f refusal) {
	if x.unread {
		f.closing = true
	}
	x.status = f.status
	x.written = f.write(x.w, x.q.http)
}
