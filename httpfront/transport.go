package httpfront

import (
	"context"
	"errors"
	"net"
	"time"

	"asgibox/httpfront/http1"
)

// errAborted ends a response that cannot be completed. The server closes the
// connection, so that the client sees that the response is incomplete.
var errAborted = errors.New("the response was aborted")

// A transport carries one request and its response: it is a connection of this
// server (see conn) or a request of net/http (see handled). Its methods are for
// the goroutine that serves the request, except those that say otherwise, and
// readBody, readBy and interrupt.
type transport interface {
	// context is done when the request need not be served any more.
	context() context.Context

	// duplex lets the body be read after the response has started.
	duplex()
	readBody(p []byte) (int, error)
	// readBy sets the time limit of readBody. The zero time means no limit.
	readBy(at time.Time)
	// interrupt makes readBody fail as if the time limit were reached, until
	// readBy is called.
	interrupt()

	// start starts the response. The transport may hold back its bytes until
	// flush or finish. It drops what its protocol does not allow.
	start(h head)
	write(content string) error
	flush() error
	finish() error

	// delivered returns about how many bytes the client has read. abort makes writes
	// fail at once. Both may be called from any goroutine.
	delivered() int64
	abort()

	// watch waits for input after a delay, to notice a client that leaves. It is
	// called when the body has been read. unwatch ends it.
	watch(x watcher, delay time.Duration)
	unwatch()
	// left returns a channel that is closed when the client has closed its
	// sending half or the connection has ended. It may return nil before watch.
	left() <-chan struct{}
	// lost reports whether the connection has ended in both directions.
	lost() bool

	// hijack gives the connection and the input that was read from it to the
	// caller.
	hijack() (c net.Conn, early []byte, err error)
}

// A watcher is called when a watch begins.
type watcher interface{ watching() }

// A head is the start of a response.
type head struct {
	status    int
	headers   []http1.Header // of the application, or of a refusal
	length    int64          // of the content, or -1 if it is unknown
	closeConn bool           // HTTP/1: the connection ends after the response
}
