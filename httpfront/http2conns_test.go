package httpfront

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/httpfront/devcert"
)

// newHTTP2Server starts a server with TLS that max connections may use with HTTP/2.
func newHTTP2Server(t *testing.T, max int) *memServer {
	cert, err := devcert.Load(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := newMemServer(t, Options{TLS: cert.Config()})
	s.front.http2.max = max
	return s
}

// browser returns a client that prefers HTTP/2.
func (s *memServer) browser() *http.Client {
	tr := &http.Transport{
		ForceAttemptHTTP2: true,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
		DialContext:       func(context.Context, string, string) (net.Conn, error) { return s.net.dial() },
	}
	s.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

// wantGet gets a page and checks the version of HTTP that the client gets.
func (s *memServer) wantGet(c *http.Client, major int) {
	s.t.Helper()
	go func() { s.reply(s.next("http.request"), msg{"status": 200}) }()
	res, err := c.Get("https://h/")
	if err != nil {
		s.t.Fatal(err)
	}
	res.Body.Close()
	if res.ProtoMajor != major {
		s.t.Errorf("the client uses %s", res.Proto)
	}
}

// silent opens a connection that uses HTTP/2 and makes no request. The channel is closed
// when the connection has ended.
func (s *memServer) silent() (ended chan struct{}) {
	s.t.Helper()
	raw, err := s.net.dial()
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { raw.Close() })
	c := tls.Client(raw, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err := c.Handshake(); err != nil {
		s.t.Fatal(err)
	}
	ended = make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(io.Discard, c)
	}()
	go func() {
		_, _ = io.WriteString(c, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
	}()
	synctest.Wait()
	return ended
}

func TestTheLongestIdleConnectionOfHTTP2MakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newHTTP2Server(t, 4)
		busy := make(chan error, 1)
		go func() {
			res, err := s.browser().Get("https://h/")
			if err == nil {
				res.Body.Close()
			}
			busy <- err
		}()
		running := s.next("http.request")
		user := s.browser()
		s.wantGet(user, 2)
		first := s.silent()
		time.Sleep(time.Second)
		second := s.silent()
		time.Sleep(silentTimeout - 2*time.Second)
		s.wantGet(user, 2)
		s.wantGet(s.browser(), 1) // nothing has been idle for long enough
		time.Sleep(time.Second)
		s.wantGet(s.browser(), 2)
		synctest.Wait()
		select {
		case <-first:
		default:
			t.Error("the connection that has been idle longest is open")
		}
		select {
		case <-second:
			t.Error("more than one connection was closed")
		default:
		}
		s.reply(running, msg{"status": 200})
		if err := <-busy; err != nil {
			t.Errorf("the running request: %v", err)
		}
	})
}

func TestClientsGetHTTP1WhileAllConnectionsOfHTTP2AreBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newHTTP2Server(t, 1)
		done := make(chan error, 1)
		go func() {
			_, err := s.browser().Get("https://h/")
			done <- err
		}()
		running := s.next("http.request")
		time.Sleep(2 * silentTimeout)
		for range 3 {
			s.wantGet(s.browser(), 1)
		}
		if n := strings.Count(s.logs.String(), "1 connections use HTTP/2 and none has been idle for 5s"); n != 1 {
			t.Errorf("the log says it %d times:\n%s", n, s.logs)
		}
		s.reply(running, msg{"status": 200})
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestAFailedHandshakeTakesNoPlaceOfHTTP2(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newHTTP2Server(t, 1)
		for range 3 {
			raw, err := s.net.dial()
			if err != nil {
				t.Fatal(err)
			}
			c := tls.Client(raw, &tls.Config{NextProtos: []string{"h2"}, ServerName: "h"})
			if c.Handshake() == nil {
				t.Error("the client trusts the certificate")
			}
			raw.Close()
			synctest.Wait()
		}
		s.wantGet(s.browser(), 2)
	})
}

func TestConnectionsOfHTTP2WithoutTLSAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{H2C: true})
		s.front.http2.max = 1
		first, second := s.http2Client(), s.http2Client()
		get := func(c *http.Client) error {
			res, err := c.Get("http://h/")
			if err == nil {
				res.Body.Close()
			}
			return err
		}
		reply := func() { s.reply(s.next("http.request"), msg{"status": 200}) }
		go reply()
		if err := get(first); err != nil {
			t.Fatal(err)
		}
		if get(second) == nil {
			t.Error("one more is served")
		}
		time.Sleep(silentTimeout)
		go reply()
		if err := get(second); err != nil {
			t.Errorf("while the other is idle: %v", err)
		}
	})
}

// TestHTTP2InputLetsOthersRun reads from clients that send without a pause on the only
// processor.
func TestHTTP2InputLetsOthersRun(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for name, wrap := range map[string]func(net.Conn) net.Conn{
		"plain": func(c net.Conn) net.Conn { return &earlyConn{Conn: c} },
		"TLS":   func(c net.Conn) net.Conn { return &handshakeConn{Conn: c, http2: true, done: true} },
	} {
		var ran atomic.Bool
		go ran.Store(true)
		io.Copy(io.Discard, wrap(&endless{input: strings.Repeat("x", 8<<10)}))
		if !ran.Load() {
			t.Errorf("%s: no other goroutine ran", name)
		}
	}
}
