package httpfront

import (
	"errors"
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"time"

	"asgibox/asgi"
	"asgibox/httpfront/http1"
)

// lingerTimeout is how long a client may continue to send after its last response.
const lingerTimeout = 5 * time.Second

// A refusal is a response that the server sends without the application.
type refusal struct {
	status    int
	title     string
	advice    string
	headers   []http1.Header
	closeConn bool // the connection must close

	response *reply // replaces the page, if the application sent a response
}

// retrySoon tells the client when to try again.
var retrySoon = []http1.Header{{Name: "Retry-After", Value: "1"}}

var (
	refusedTarget = refusal{status: http.StatusRequestURITooLong, title: "This address is too long",
		advice: "A request target may have at most 64 KiB. Send long data in the body of a POST request.", closeConn: true}
	refusedSocketTarget = refusal{status: http.StatusRequestURITooLong, title: "This address is too long",
		advice: "The address of a WebSocket may have at most 8 KiB. Send long data in a message.", closeConn: true}
	refusedHeaders = refusal{status: http.StatusRequestHeaderFieldsTooLarge, title: "The request headers are too long",
		advice: "Target and headers together may have at most 64 KiB and 200 lines. In a browser, deleting the cookies of this site may help.", closeConn: true}
	refusedStopping = refusal{status: http.StatusServiceUnavailable, title: "The server is shutting down",
		advice: "Try again in a moment.", headers: retrySoon, closeConn: true}
	refusedFull = refusal{status: http.StatusServiceUnavailable, title: "The server is busy",
		advice:  "The queue of waiting requests is full. Try again in a moment. To serve more requests, add workers (--workers) or allow a longer queue (--capacity).",
		headers: retrySoon, closeConn: true}
	refusedMany = refusal{status: http.StatusServiceUnavailable, title: "The server is busy",
		advice:  "20,000 requests are running, or wait for a reply that the application sends later. Try again in a moment.",
		headers: retrySoon, closeConn: true}
	refusedEnded = refusal{status: http.StatusServiceUnavailable, title: "The server is busy",
		advice:  "10,000 WebSockets have ended, and the application has not handled their end yet. Try again in a moment. Check that the consumer of websocket.disconnect is fast enough.",
		headers: retrySoon, closeConn: true}
	refusedPages = refusal{status: http.StatusServiceUnavailable, title: "The server is busy",
		advice:  "1,000 open pages wait for changes of the application. Close some, and reload this one.",
		headers: retrySoon, closeConn: true}
	refusedUnreachable = refusal{status: http.StatusServiceUnavailable, title: "The channel layer cannot be reached",
		advice:  "The server has lost the channel layer, which carries requests to the application. It serves again as soon as the layer is back. Try again in a moment.",
		headers: retrySoon, closeConn: true}
	refusedSlowBody = refusal{status: http.StatusRequestTimeout, title: "The request took too long to arrive",
		advice: "The request body did not arrive in time. Try again.", closeConn: true}
	refusedCrowded = refusal{status: http.StatusServiceUnavailable, title: "The server is busy",
		advice:  "Too many long requests are running or arriving at the same time. Try again in a moment. To receive more request bodies, allow more memory for them (--body-memory).",
		headers: retrySoon, closeConn: true}
	refusedOwnBody = refusal{status: http.StatusRequestEntityTooLarge, title: "This request must not have a body",
		advice: "The paths below " + asgi.OwnPath + " belong to the server.", closeConn: true}
	refusedOrigin = refusal{status: http.StatusForbidden, title: "This page may not open a WebSocket here",
		advice: "Its origin is not the server's own. To allow it, start the server with --allow-origin.", closeConn: true}
	refusedDenied = refusal{status: http.StatusForbidden, title: "The application refused this WebSocket",
		advice: "It replied to the handshake with close.", closeConn: true}
	refusedNoUpgrade = refusal{status: http.StatusNotImplemented, title: "WebSockets cannot be opened here",
		advice: "The HTTP server here does not support taking over a connection (http.Hijacker).", closeConn: true}
	refusedUnstored = refusal{status: http.StatusInternalServerError, title: "The server cannot write to its disk",
		advice: "The application sent a response, but the data that belongs to it could not be stored, so the response was dropped. The server's log has the cause, for example a full or very slow disk."}
	refusedHandshakeLate = refusal{status: http.StatusForbidden, title: "This WebSocket handshake got no reply",
		advice: "Check that a worker is running that receives websocket.connect and replies {accept: True}.", closeConn: true}
)

func badRequest(err error) refusal {
	return refusal{status: http.StatusBadRequest, title: "This request cannot be understood",
		advice: sentence(err.Error()), closeConn: true}
}

// malformed returns the refusal of a request that http1 refuses.
func malformed(e *http1.Error) refusal {
	switch e.Status {
	case http.StatusRequestURITooLong:
		return refusedTarget
	case http.StatusRequestHeaderFieldsTooLarge:
		return refusedHeaders
	case http.StatusServiceUnavailable:
		return refusedCrowded
	}
	f := badRequest(e)
	f.status = e.Status
	return f
}

func (s *Server) refusedBody() refusal {
	return refusal{status: http.StatusRequestEntityTooLarge, title: "The request body is too long",
		advice: "A request body may have at most " + itoa(s.opts.MaxBody) + " bytes (--max-body).", closeConn: true}
}

func (s *Server) refusedTimeout() refusal {
	if s.unattended(asgi.HTTPRequest) {
		return refusal{status: http.StatusServiceUnavailable, title: "No worker is running",
			advice: "No worker receives from http.request; " + startWorker, headers: retrySoon}
	}
	return refusal{status: http.StatusServiceUnavailable, title: "No response came in time",
		advice:  "The application sent no response within " + s.opts.HTTPTimeout.String() + " (--http-timeout). Check that a worker is running that receives http.request and that its handler always sends a response.",
		headers: retrySoon}
}

func refusedReply(problem string) refusal {
	return refusal{status: http.StatusInternalServerError, title: "The application's response cannot be sent",
		advice: "The message of the application is not a valid response: " + sentence(problem)}
}

// refusedLayer returns the refusal of a request that the layer did not accept. It
// reports false if the server's log must have the error, because nothing else shows
// it.
func refusedLayer(err error) (f refusal, known bool) {
	switch {
	case errors.Is(err, asgi.ErrChannelFull):
		return refusedFull, true
	case errors.Is(err, asgi.ErrMessageTooLarge):
		return refusedHeaders, true
	case errors.Is(err, asgi.ErrStoreFailed):
		return refusedUnreachable, true // the layer has logged it
	}
	return refusedBroken(err), false
}

func refusedBroken(err error) refusal {
	return refusal{status: http.StatusInternalServerError, title: "The request could not be sent to the application", advice: sentence(err.Error())}
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
<p class="s">{{.Status}}</p><h1>{{.Title}}</h1>{{with .Advice}}<p>{{.}}</p>{{end}}</html>
`))

// public returns the refusal without its advice if the option NoDetails is set.
func (s *Server) public(f refusal) refusal {
	if s.opts.NoDetails {
		f.advice = ""
	}
	return f
}

// write sends the refusal, as a page to browsers and as text to other clients.
// It returns the length of the content. If writing fails, the client is gone.
func (f refusal) write(t transport, q *request) int64 {
	p := f.response
	if p == nil {
		p = f.page(q)
	}
	if f.closeConn {
		t.readBy(time.Now().Add(lingerTimeout)) // net/http reads the rest of the body until then
	}
	h := head{status: p.status, headers: p.headers, length: int64(len(p.content)), closeConn: f.closeConn}
	if !hasContent(p.status) {
		h.length = emptyLength(*p)
	}
	t.start(h)
	if q.method == http.MethodHead || !hasContent(p.status) || t.write(p.content) != nil {
		return 0
	}
	return int64(len(p.content))
}

// page returns the refusal as a response.
func (f refusal) page(q *request) *reply {
	var body strings.Builder
	contentType := "text/plain; charset=utf-8"
	if strings.Contains(strings.Join(q.values("accept"), ","), "text/html") {
		contentType = "text/html; charset=utf-8"
		page.Execute(&body, struct{ Status, Title, Advice string }{f.statusLine(), f.title, f.advice})
	} else {
		body.WriteString(f.statusLine() + "\n" + strings.TrimSpace(f.title+". "+f.advice) + "\n")
	}
	headers := []http1.Header{{Name: "Content-Type", Value: contentType}, {Name: "X-Content-Type-Options", Value: "nosniff"}}
	return &reply{status: f.status, headers: append(headers, f.headers...), content: body.String()}
}

func (f refusal) statusLine() string {
	return strconv.Itoa(f.status) + " " + http.StatusText(f.status)
}

// refuse refuses a request that has no exchange.
func (s *Server) refuse(t transport, q *request, f refusal) error {
	n := s.public(f).write(t, q)
	err := t.finish()
	s.event(Event{
		Kind: HTTP, Client: q.peer.client, Method: upper(q.method), Target: q.uri, Version: q.version,
		Path: q.path, Status: f.status, Bytes: n, Started: q.started, Duration: time.Since(q.started),
	})
	return err
}

// refuse refuses the request of the exchange.
func (x *exchange) refuse(f refusal) {
	if x.unread {
		f.closeConn = true
	}
	x.status = f.status
	x.written = x.s.public(f).write(x.t, x.q)
}
