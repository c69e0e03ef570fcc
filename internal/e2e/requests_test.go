package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// TestRequestsAreListedByTheCommand checks requests that are seldom: over HTTP/2,
// without a body, malformed, and without a response of the application.
func TestRequestsAreListedByTheCommand(t *testing.T) {
	p := startIn(t, requestsDir(t), "app.star", "--h2c", "--http-timeout", "100ms", "--capacity", "2")
	send := func(c *http.Client, method, path string) {
		t.Helper()
		r, err := http.NewRequest(method, p.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	two := &http.Transport{Protocols: new(http.Protocols)}
	two.Protocols.SetUnencryptedHTTP2(true)
	defer two.CloseIdleConnections()
	send(&http.Client{Transport: two}, "GET", "/data?two")
	send(http.DefaultClient, "HEAD", "/data?head")
	send(http.DefaultClient, "GET", "/static/a.css")
	send(http.DefaultClient, "GET", "/held?late")
	p.mustCommand("pause", "http.request")
	full := []func() string{p.inTheBackground("/data?first"), p.inTheBackground("/data?second")}
	p.eventually("two requests wait", func() bool {
		return strings.Contains(p.mustCommand("channels", "http.request", "--json"), `"depth":2,`)
	})
	send(http.DefaultClient, "GET", "/data?full")
	for _, wait := range full {
		wait()
	}
	p.mustCommand("resume", "http.request")
	c, err := net.Dial("tcp", strings.TrimPrefix(strings.TrimSuffix(p.url, "/"), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "BAD\r\n\r\n")
	io.Copy(io.Discard, c)

	type request struct {
		State, Method, Path, Version, Why string
		Status                            int
		BytesOut                          int64
		Server                            bool
	}
	var list struct{ Requests []request }
	p.eventually("all are listed", func() bool {
		if err := json.Unmarshal([]byte(p.mustCommand("requests", "--json")), &list); err != nil {
			t.Fatal(err)
		}
		return len(list.Requests) == 8
	})
	const fullQueue = `channel "http.request" is full: 2 messages wait (--capacity, --channel-capacity)`
	want := map[string]request{
		"/data?two":     {"done", "GET", "", "2", "", 200, 52, false},
		"/data?head":    {"done", "HEAD", "", "1.1", "", 200, 0, false},
		"/static/a.css": {"done", "GET", "", "1.1", "", 200, 20, false},
		"/held?late":    {"done", "GET", "", "1.1", "", 503, 0, true},
		"/data?first":   {"done", "GET", "", "1.1", "", 503, 0, true},
		"/data?second":  {"done", "GET", "", "1.1", "", 503, 0, true},
		"/data?full":    {"done", "GET", "", "1.1", fullQueue, 503, 0, true},
		"":              {"done", "", "", "", "", 400, 0, true},
	}
	for _, r := range list.Requests {
		path := r.Path
		if r.Path = ""; r.Server {
			r.BytesOut = 0 // of the server's page
		}
		if r != want[path] {
			t.Errorf("%q: %+v, want %+v", path, r, want[path])
		}
	}
	if got := p.mustCommand("requests", "status:503", "method:GET"); strings.Contains(got, "/static") || !strings.Contains(got, "/data?full") || !strings.HasPrefix(got, "TIME") {
		t.Errorf("filtered:\n%s", got)
	}
}
