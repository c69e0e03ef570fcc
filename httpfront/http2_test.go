package httpfront

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
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
