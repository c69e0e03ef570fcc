package httpfront

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestHeadersForbiddenByHTTP2AreDropped sends two responses over each protocol.
func TestHeadersForbiddenByHTTP2AreDropped(t *testing.T) {
	s := newMemServer(t, Options{H2C: true})
	for protocol, want := range map[string]string{"HTTP/1.1": "Keep-Alive Proxy-Connection Te Upgrade X-A", "HTTP/2.0": "Te X-A"} {
		t.Run(protocol, func(t *testing.T) {
			p := new(http.Protocols)
			p.SetHTTP1(protocol == "HTTP/1.1")
			p.SetUnencryptedHTTP2(protocol == "HTTP/2.0")
			tr := &http.Transport{Protocols: p, DialContext: func(context.Context, string, string) (net.Conn, error) { return s.net.dial() }}
			defer tr.CloseIdleConnections()
			for range 2 {
				go func() {
					s.reply(s.next("http.request"), msg{"status": 200, "headers": []any{
						pair("keep-alive", "timeout=5"), pair("proxy-connection", "keep-alive"), pair("te", "trailers"), pair("upgrade", "h2c"), pair("x-a", "1"),
					}})
				}()
				res, err := (&http.Client{Transport: tr}).Get("http://h/")
				if err != nil {
					t.Fatal(err)
				}
				res.Body.Close()
				var got []string
				for _, name := range []string{"Keep-Alive", "Proxy-Connection", "Te", "Upgrade", "X-A"} {
					if res.Header[name] != nil {
						got = append(got, name)
					}
				}
				if strings.Join(got, " ") != want || res.Proto != protocol {
					t.Errorf("%s: got the headers %q, want %q", res.Proto, got, want)
				}
			}
		})
	}
	for _, name := range []string{"Keep-Alive", "Proxy-Connection", "Upgrade"} {
		if n := strings.Count(s.logs.String(), "header="+name); n != 1 {
			t.Errorf("%s is in the log %d times, want once:\n%s", name, n, s.logs)
		}
	}
}

// TestSpacesAroundHeaderValuesAreRemoved checks it over each protocol.
func TestSpacesAroundHeaderValuesAreRemoved(t *testing.T) {
	s := newMemServer(t, Options{H2C: true})
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2.0"} {
		p := new(http.Protocols)
		p.SetHTTP1(protocol == "HTTP/1.1")
		p.SetUnencryptedHTTP2(protocol == "HTTP/2.0")
		tr := &http.Transport{Protocols: p, DialContext: func(context.Context, string, string) (net.Conn, error) { return s.net.dial() }}
		defer tr.CloseIdleConnections()
		go func() {
			s.reply(s.next("http.request"), msg{"status": 200, "headers": []any{pair("x-a", " \t1 2\t "), pair("x-b", "  ")}})
		}()
		res, err := (&http.Client{Transport: tr}).Get("http://h/")
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if a, b := res.Header.Get("X-A"), res.Header.Get("X-B"); a != "1 2" || b != "" || res.Proto != protocol {
			t.Errorf("%s: got %q and %q", res.Proto, a, b)
		}
	}
}

// http2Client returns a client that speaks HTTP/2 with the server.
func (s *memServer) http2Client() *http.Client {
	p := new(http.Protocols)
	p.SetUnencryptedHTTP2(true)
	tr := &http.Transport{Protocols: p, DialContext: func(context.Context, string, string) (net.Conn, error) { return s.net.dial() }}
	s.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

// TestStreamWhoseClientStopsReadingEnds checks that flow control does not hold up a
// response for ever, and that a response may pause for longer.
func TestStreamWhoseClientStopsReadingEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{H2C: true})
		go func() {
			m := s.next("http.request")
			s.reply(m, msg{"status": 200, "content": "a", "more_content": true})
			time.Sleep(2 * writeTimeout)
			s.reply(m, msg{"content": "b", "more_content": true})
			for range 8 { // more than the window of the client
				s.reply(m, msg{"content": strings.Repeat("x", 1<<20), "more_content": true})
			}
		}()
		res, err := s.http2Client().Get("http://h/")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		time.Sleep(3*writeTimeout - time.Second)
		if s.layer.waiting("http.disconnect") != 0 {
			t.Error("closed too soon")
		}
		time.Sleep(2 * time.Second)
		if s.layer.waiting("http.disconnect") != 1 {
			t.Error("not closed")
		}
		if _, err := io.Copy(io.Discard, res.Body); err == nil {
			t.Error("the client takes the response for complete")
		}
	})
}

// TestHTTP2RequestsAreCheckedLikeHTTP1 sends requests that net/http accepts.
func TestHTTP2RequestsAreCheckedLikeHTTP1(t *testing.T) {
	with := func(method, target, host string, headers ...string) *http.Request {
		r := httptest.NewRequest("GET", "http://h/", nil)
		r.ProtoMajor, r.ProtoMinor, r.Method, r.RequestURI, r.Host = 2, 0, method, target, host
		for i := 0; i < len(headers); i += 2 {
			r.Header.Add(headers[i], headers[i+1])
		}
		return r
	}
	withBody := func(length int64, headers ...string) *http.Request {
		r := with("POST", "/", "h", headers...)
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader("ab")), length
		return r
	}
	for name, c := range map[string]struct {
		request *http.Request
		status  int
	}{
		"usual":                {with("GET", "/", "h"), 200},
		"with Host":            {with("GET", "/", "h", "Host", "h"), 200},
		"a length of zero":     {with("GET", "/", "h", "Content-Length", "0"), 200},
		"a body":               {withBody(2, "Content-Length", "2"), 200},
		"a repeated length":    {withBody(2, "Content-Length", "2", "Content-Length", "2"), 200},
		"another Host":         {with("GET", "/", "h", "Host", "other"), 400},
		"a fragment":           {with("GET", "/a#b", "h"), 400},
		"a space in the path":  {with("GET", "/no pe", "h"), 400},
		"no path":              {with("GET", "", "h"), 400},
		"a line as the method": {with("GET /x HTTP/1.1", "/", "h"), 400},
		"no host":              {with("GET", "/", ""), 400},
		"a space in the host":  {with("GET", "/", "evil x/y"), 400},
		"a space in a header":  {with("GET", "/", "h", "A", " b"), 400},
		"a length, no body":    {with("POST", "/", "h", "Content-Length", "5"), 400},
		"two lengths":          {withBody(2, "Content-Length", "2", "Content-Length", "3"), 400},
		"a length in words":    {withBody(2, "Content-Length", "two"), 400},
	} {
		s := newMemServer(t, Options{})
		r := c.request
		if c.status == 200 {
			go func() {
				m := s.next("http.request")
				if text := fmt.Sprint(m.Get("headers")); strings.Count(text, "host") != 1 {
					t.Errorf("%s: headers %s", name, text)
				}
				s.reply(m, msg{"status": 200})
			}()
		}
		w := httptest.NewRecorder()
		s.front.ServeHTTP(w, r)
		if w.Code != c.status {
			t.Errorf("%s: %d, want %d", name, w.Code, c.status)
		}
	}
}

// TestAHeadThatDoesNotEndOverHTTP2EndsItsConnection sends a part of a head and nothing
// more.
func TestAHeadThatDoesNotEndOverHTTP2EndsItsConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{H2C: true})
		c := s.dial()
		const settings, headers = "\x00\x00\x00\x04\x00\x00\x00\x00\x00", "\x00\x00\x01\x01\x00\x00\x00\x00\x01\x82"
		go func() { _, _ = io.WriteString(c.Conn, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"+settings+headers) }()
		began := time.Now()
		_, _ = io.Copy(io.Discard, c.Conn)
		if took := time.Since(began); took < headerTimeout || took > 3*headerTimeout {
			t.Errorf("the connection ended after %v", took)
		}
	})
}
