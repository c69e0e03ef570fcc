package inspector

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"asgibox/asgi"
	"asgibox/asgi/remote"
	"asgibox/inspector/api"
	"asgibox/inspector/playback"
)

const (
	// responseTimeout is how long the application may take to respond.
	responseTimeout = 2 * time.Minute
	// maxBody is how much of a response is shown, in bytes.
	maxBody = 1 << 20
)

// newClient returns a client for the application. It does not follow redirects,
// so that they can be shown. It does not check certificates, because the
// application runs in this program.
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

// request sends an HTTP request to the application and returns its response.
// The page cannot send it itself, because the application has another origin.
func (s *Server) request(r *http.Request, _ *asgi.Cause, a args) (any, error) {
	headers, _ := a.Get("headers")
	return s.exchange(r.Context(), a.Text("method"), escape(a.Text("path")), a.Octets("body"), headers)
}

// escape percent-encodes the bytes that a request line cannot contain, as a
// browser does.
func escape(target string) string {
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

// replay sends the first message of a trace again: an HTTP request to the
// application, another message to its channel.
func (s *Server) replay(r *http.Request, c *asgi.Cause, a args) (any, error) {
	t, err := parseTrace(a.Text("trace"))
	if err != nil {
		return nil, err
	}
	channel, m, ok := s.history.origin(t)
	if !ok {
		return nil, noTrace(t)
	}
	return s.resend(r.Context(), c, channel, m)
}

// resend sends an HTTP request to the application, and another message to its
// channel.
func (s *Server) resend(ctx context.Context, c *asgi.Cause, channel string, m asgi.Message) (any, error) {
	switch {
	case channel != asgi.HTTPRequest:
		return api.Sent{Trace: c.Trace().String(), Channel: channel}, s.opts.Layer.Send(ctx, c, channel, m)
	case m.Text(asgi.KeyBodyChannel) != "":
		return nil, remote.Errorf(remote.NotReplayable, "the history does not have the whole body of this request, because it was too long")
	}
	target := (&url.URL{Path: m.Text(asgi.KeyPath)}).EscapedPath() + queryString(m)
	headers, _ := m.Get(asgi.KeyHeaders)
	return s.exchange(ctx, m.Text(asgi.KeyMethod), target, string(m.Bytes(asgi.KeyBody)), headers)
}

// transportHeaders are set by the client itself.
var transportHeaders = map[string]bool{
	"host": true, "connection": true, "content-length": true, "transfer-encoding": true,
	"accept-encoding": true, "upgrade": true, "keep-alive": true, "te": true,
}

// exchange sends a request to the application and returns its response.
func (s *Server) exchange(ctx context.Context, method, target, body string, headers any) (any, error) {
	if s.opts.App == "" {
		return nil, errNoFront
	}
	if !strings.HasPrefix(target, "/") {
		return nil, badRequest("path: must begin with a slash")
	}
	ctx, cancel := context.WithTimeout(ctx, responseTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(s.opts.App, "/")+target, strings.NewReader(body))
	if err != nil {
		return nil, badRequest("%v", err)
	}
	list, _ := headers.(asgi.List)
	for _, item := range list.All() {
		pair, ok := item.(asgi.List)
		if !ok || pair.Len() != 2 {
			return nil, badRequest("headers: must be a list of pairs")
		}
		switch name := strings.ToLower(pair.Octets(0)); {
		case name == "host":
			req.Host = pair.Octets(1)
		case !transportHeaders[name]:
			req.Header.Add(pair.Octets(0), pair.Octets(1))
		}
	}
	start := time.Now()
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, remote.Errorf(remote.NoAnswer, "%v", err)
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err != nil {
		return nil, remote.Errorf(remote.NoAnswer, "the response ended early: %v", err)
	}
	return responseOf(resp, content, time.Since(start)), nil
}

func responseOf(resp *http.Response, body []byte, took time.Duration) api.Response {
	v := api.Response{Status: resp.StatusCode, DurationMS: api.Milliseconds(took), Headers: [][2]string{}}
	if len(body) > maxBody {
		body, v.Cut = body[:maxBody], true
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

// play plays a recording. It streams the progress and the result as lines of
// JSON.
func (s *Server) play(w http.ResponseWriter, r *http.Request) error {
	recording, err := playback.Read(r.Body)
	if err != nil {
		return err
	}
	leave, err := s.playing.enter(recording.Size)
	if err != nil {
		return err
	}
	defer leave()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(s.life, cancel)()
	w.Header().Set("Content-Type", "application/x-ndjson")
	out, encoder := http.NewResponseController(w), json.NewEncoder(w)
	return recording.Play(ctx, s.opts.Layer, r.FormValue("speed") == "full", func(p api.Playback) {
		_ = encoder.Encode(p)
		_ = out.Flush()
	})
}
