package inspector

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"asgibox/asgi"
)

const (
	// playWithin is how long the application may take to answer.
	playWithin = 2 * time.Minute
	// playBody is how much of an answer is shown, in bytes.
	playBody = 1 << 20
)

// newClient makes the client that talks to the application. Redirects are
// shown, not followed, and the development certificate is taken as it is: the
// application is this very program.
func newClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			TLSClientConfig:     &tls.Config{InsecureSkipVerify: true},
			MaxIdleConnsPerHost: 4,
			IdleConnTimeout:     10 * time.Second,
			DisableCompression:  true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// An answerView is what the application answered to a request.
type answerView struct {
	Status     int         `json:"status"`
	Headers    [][2]string `json:"headers"`
	Body       string      `json:"body"`
	Binary     bool        `json:"binary,omitempty"` // the body is base64
	Cut        bool        `json:"cut,omitempty"`
	Bytes      int         `json:"bytes"`
	DurationMS float64     `json:"durationMs"`
}

// play sends an HTTP request to the application and answers its response. It
// is the page's way around the browser's rule of one origin.
func (s *Server) play(w http.ResponseWriter, r *http.Request) error {
	args, err := arguments(r)
	if err != nil {
		return err
	}
	q := request{method: args.Text("method"), target: typed(args.Text("path")), body: args.Octets("body")}
	if headers, ok := listOf(args.Get("headers")); ok {
		if q.headers, err = headersOf(headers); err != nil {
			return err
		}
	}
	return s.ask(w, r, q)
}

// typed answers a target as a browser makes it of what is typed: what a request
// line cannot hold is percent-encoded.
func typed(target string) string {
	var b strings.Builder
	for i := range len(target) {
		if c := target[i]; c > ' ' && c < 0x7f {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// replay sends what began a trace once more: an HTTP request to the
// application, another message to its channel.
func (s *Server) replay(w http.ResponseWriter, r *http.Request) error {
	args, err := arguments(r)
	if err != nil {
		return err
	}
	t, err := parseTrace(args.Text("trace"))
	if err != nil {
		return err
	}
	channel, m, ok := s.history.origin(t)
	if !ok {
		return notFound("trace %s is not in the history (any more)", t)
	}
	if channel == "http.request" {
		return s.replayRequest(w, r, m)
	}
	c := asgi.NewCause(asgi.NewTrace())
	if err := s.opts.Layer.Send(r.Context(), c, channel, m); err != nil {
		return err
	}
	if err := barrier(r, c); err != nil {
		return err
	}
	return answer(w, map[string]string{"trace": c.Trace().String(), "channel": channel})
}

func (s *Server) replayRequest(w http.ResponseWriter, r *http.Request, m asgi.Message) error {
	if m.Text("body_channel") != "" {
		return &statusError{http.StatusUnprocessableEntity, "NotReplayable", "its body was longer than what is remembered of a request"}
	}
	target := (&url.URL{Path: m.Text("path")}).EscapedPath()
	if q := m.Bytes("query_string"); q != "" {
		target += "?" + string(q)
	}
	q := request{method: m.Text("method"), target: target, body: string(m.Bytes("body"))}
	if headers, ok := listOf(m.Get("headers")); ok {
		var err error
		if q.headers, err = headersOf(headers); err != nil {
			return err
		}
	}
	return s.ask(w, r, q)
}

// request is what is asked of the application.
type request struct {
	method, target, body string
	headers              [][2]string
}

// ownHeaders are the transport's business.
var ownHeaders = map[string]bool{
	"host": true, "connection": true, "content-length": true, "transfer-encoding": true,
	"accept-encoding": true, "upgrade": true, "keep-alive": true, "te": true,
}

func (s *Server) ask(w http.ResponseWriter, r *http.Request, q request) error {
	view, err := s.exchange(r.Context(), q)
	if err != nil {
		return err
	}
	return answer(w, view)
}

func (s *Server) exchange(ctx context.Context, q request) (answerView, error) {
	if s.opts.App == "" {
		return answerView{}, missing("there is no protocol server here")
	}
	if !strings.HasPrefix(q.target, "/") {
		return answerView{}, badRequest(errors.New("path: it must begin with a slash"))
	}
	ctx, cancel := context.WithTimeout(ctx, playWithin)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, q.method, strings.TrimSuffix(s.opts.App, "/")+q.target, strings.NewReader(q.body))
	if err != nil {
		return answerView{}, badRequest(err)
	}
	for _, h := range q.headers {
		switch name := strings.ToLower(h[0]); {
		case name == "host":
			req.Host = h[1]
		case !ownHeaders[name]:
			req.Header.Add(h[0], h[1])
		}
	}
	began := time.Now()
	resp, err := s.client.Do(req)
	if err != nil {
		return answerView{}, &statusError{http.StatusBadGateway, "NoAnswer", err.Error()}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, playBody+1))
	if err != nil {
		return answerView{}, &statusError{http.StatusBadGateway, "NoAnswer", "the answer broke off: " + err.Error()}
	}
	return answerOf(resp, body, time.Since(began)), nil
}

func answerOf(resp *http.Response, body []byte, took time.Duration) answerView {
	v := answerView{Status: resp.StatusCode, DurationMS: ms(took), Headers: [][2]string{}}
	if len(body) > playBody {
		body, v.Cut = body[:playBody], true
	}
	v.Bytes = len(body)
	if v.Body = string(body); !v.Cut && !utf8.Valid(body) {
		v.Body, v.Binary = base64.StdEncoding.EncodeToString(body), true
	}
	for name, values := range resp.Header {
		for _, value := range values {
			v.Headers = append(v.Headers, [2]string{strings.ToLower(name), value})
		}
	}
	return v
}

func listOf(v any, _ bool) (asgi.List, bool) {
	l, ok := v.(asgi.List)
	return l, ok
}

// headersOf reads a list of pairs of text or byte strings.
func headersOf(l asgi.List) (headers [][2]string, err error) {
	for _, item := range l.All() {
		pair, ok := item.(asgi.List)
		if !ok || pair.Len() != 2 {
			return nil, badRequest(errors.New("headers: a list of pairs is needed"))
		}
		headers = append(headers, [2]string{pair.Octets(0), pair.Octets(1)})
	}
	return headers, nil
}
