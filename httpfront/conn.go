package httpfront

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"asgibox/httpfront/http1"
	"asgibox/internal/logkey"
)

// States of a conn. Shutdown closes an idle conn at once.
const (
	connIdle int32 = iota // no complete head has arrived
	connBusy
	connClosed
)

// A conn is an HTTP/1 connection. One goroutine serves its requests, one after
// the other. It is the transport of each of them.
type conn struct {
	s       *Server
	service *service
	raw     net.Conn
	net     net.Conn // raw, or TLS over it
	state   atomic.Int32
	peer    *peer

	in        *http1.Reader
	request   *http1.Request // the current one
	headerSet *headerSet     // of the current request
	shared    request        // the current request in the form that all transports share
	phase     phase
	started   time.Time // when the first byte of the current request arrived
	headBy    time.Time // when the whole head must have arrived
	served    bool      // a request has been served
	continued bool      // 100 (Continue) was sent
	hijacked  bool

	head http1.Head // of the current response
	out  *[]byte    // bytes of the response that have not been written

	watcher   watcher     // nil while there is no watch
	timer     *time.Timer // starts watchInput
	watchDone chan struct{}
	gone      chan struct{} // closed when the client has closed its sending half or the connection has ended

	mu         sync.Mutex // guards the rest
	wanted     time.Time  // read deadline for the next read
	deadline   time.Time  // read deadline that is set
	extended   time.Time  // when the write deadline was last set
	written    int64      // bytes that were written, or are being written
	halfClosed bool       // the client has closed its sending half
	broken     bool       // reading has failed, and not because of that or of a time limit
}

// A phase says what a conn reads.
type phase uint8

const (
	waiting phase = iota // for the first byte of a request
	inHead
	inBody // or what comes while a request is served
)

func newConn(v *service, c net.Conn) *conn {
	return &conn{s: v.s, service: v, raw: c, net: c, gone: make(chan struct{}), watchDone: make(chan struct{}, 1)}
}

// serve serves requests until the connection ends.
func (c *conn) serve() {
	c.serveFrom(func() turn {
		if !c.open() {
			c.hijacked = true // or closed
			return lastTurn
		}
		return nextTurn
	})
}

// A turn says what a goroutine does with a conn next.
type turn uint8

const (
	nextTurn turn = iota // it serves the next request
	lastTurn             // it ends the conn
	lostTurn             // nothing: another goroutine has taken over
)

// serveFrom serves requests after the first step, until the connection ends or
// another goroutine takes over.
func (c *conn) serveFrom(step func() turn) {
	t := lastTurn
	defer func() {
		if t != lostTurn {
			if c.in != nil {
				c.in.Close()
			}
			c.service.remove(c)
		}
	}()
	defer c.recoverPanic()
	for t = step(); t == nextTurn; t = c.next() {
	}
	if t == lastTurn && !c.hijacked {
		c.net.Close()
	}
}

// resume serves the rest of an exchange and then the connection, on a new
// goroutine that takes the place of the old one.
func (c *conn) resume(x *exchange) {
	go c.serveFrom(func() turn { return c.done(x.complete(true, nil)) })
}

// recoverPanic closes a connection whose goroutine panics. Others continue.
func (c *conn) recoverPanic() {
	if v := recover(); v != nil {
		c.s.log.Error("a connection was aborted: its goroutine panicked", logkey.Client, endpointString(c.peer.client), logkey.Error, v, "stack", string(debug.Stack()))
		c.net.Close()
	}
}

// next serves the next request.
func (c *conn) next() turn {
	c.phase = waiting
	if c.shared.size > usualHead {
		c.request, c.headerSet, c.shared = nil, nil, request{}
		c.in.Forget()
	}
	if c.in.Wait() != nil {
		return lastTurn
	}
	c.startHead()
	r, err := c.in.Next()
	c.phase = inBody
	if !c.state.CompareAndSwap(connIdle, connBusy) {
		return lastTurn
	}
	if err != nil {
		return c.refuse(r, err)
	}
	c.readBy(time.Time{})
	err = c.s.serve(c, c.newRequest(r))
	if err == errLent {
		return lostTurn
	}
	return c.done(err)
}

// refuse refuses a malformed request, or gives a connection that uses HTTP/2 to
// net/http.
func (c *conn) refuse(r *http1.Request, err error) turn {
	var bad *http1.Error
	switch {
	case errors.Is(err, http1.ErrHTTP2) && c.s.opts.H2C && c.service.tls == nil:
		c.handOver(&earlyConn{c.net, c.in.Take()}, false)
		return lastTurn
	case errors.Is(err, http1.ErrHTTP2):
		r, bad = &http1.Request{Minor: 1}, &http1.Error{Status: http.StatusHTTPVersionNotSupported, Reason: "this server does not speak HTTP/2 here"}
	case !errors.As(err, &bad):
		return lastTurn
	}
	return c.done(c.s.refuse(c, c.newRequest(r), malformed(bad)))
}

// newRequest returns a request in the form that all transports share.
func (c *conn) newRequest(r *http1.Request) *request {
	c.request, c.continued = r, false
	if !r.Repeated || c.headerSet == nil {
		c.headerSet = c.s.newHeaderSet(r.Headers, c.peer)
	}
	c.headerSet.fields = r.Headers
	version := "1.1"
	if r.Minor == 0 {
		version = "1.0"
	}
	c.shared = request{
		headerSet: c.headerSet, started: c.started, method: r.Method, uri: r.Target, version: version,
		host: r.Host, length: r.Length, size: r.Size,
	}
	return &c.shared
}

// done ends a request.
func (c *conn) done(err error) turn {
	c.served = true
	if c.hijacked || err != nil {
		return lastTurn
	}
	if !c.head.Close && c.in.BodyDone() {
		c.state.Store(connIdle)
		if !c.service.stopping.Load() {
			return nextTurn
		}
		if !c.state.CompareAndSwap(connIdle, connBusy) {
			return lastTurn // stop has closed it
		}
	}
	c.linger() // Shutdown waits for it
	return lastTurn
}

// linger ends a connection whose client may still be sending. If the connection
// were closed at once, the system would reset it, and the client might not get
// the response.
func (c *conn) linger() {
	half, ok := c.net.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	c.net.SetReadDeadline(time.Now().Add(lingerTimeout))
	io.Copy(io.Discard, c.net)
}

// Read reads from the connection. The parser calls it.
func (c *conn) Read(p []byte) (int, error) {
	c.limitRead()
	n, err := c.net.Read(p)
	if err != nil {
		c.readFailed(err)
	}
	return n, err
}

// startHead notes that the head of a request has begun to arrive.
func (c *conn) startHead() {
	c.phase = inHead
	c.started = time.Now()
	if c.served {
		c.headBy = c.started.Add(headerTimeout)
	}
}

// limitRead sets the read deadline if it must change. While the conn waits for a
// request, a deadline that is a little early will do, because setting one costs
// more than most reads.
func (c *conn) limitRead() {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch c.phase {
	case waiting:
		if !c.served {
			c.wanted = c.headBy
			break
		}
		const moment = idleTimeout / 20
		now := time.Now()
		if left := c.deadline.Sub(now); left > idleTimeout-moment && left <= idleTimeout {
			return
		}
		c.wanted = now.Add(idleTimeout)
	case inHead:
		c.wanted = c.headBy
	}
	if !c.deadline.Equal(c.wanted) {
		c.deadline = c.wanted
		c.net.SetReadDeadline(c.wanted)
	}
}

// readFailed notes why reading has failed.
func (c *conn) readFailed(err error) {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.halfClosed || c.broken {
		return
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		c.halfClosed = true
		c.net.SetWriteDeadline(time.Now().Add(silenceLimit)) // for a write that is running
	} else {
		c.broken = true
	}
	close(c.gone)
}

// Methods of the transport.

func (c *conn) context() context.Context { return c.s.life }

func (c *conn) duplex() {}

func (c *conn) readBody(p []byte) (int, error) {
	if c.request.Continue && !c.continued {
		c.continued = true
		if err := c.writeNow([]byte("HTTP/1.1 100 Continue\r\n\r\n")); err != nil {
			return 0, err
		}
	}
	return c.in.Read(p)
}

func (c *conn) readBy(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wanted = at
}

func (c *conn) interrupt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wanted = time.Unix(1, 0)
	c.deadline = c.wanted
	c.net.SetReadDeadline(c.wanted)
}

func (c *conn) left() <-chan struct{} { return c.gone }

func (c *conn) lost() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.broken
}

func (c *conn) hijack() (net.Conn, []byte, error) {
	c.hijacked = true
	early := c.in.Take()
	return c.net, early, c.net.SetDeadline(time.Time{})
}
