package httpfront

import (
	"errors"
	"sync/atomic"

	"asgibox/asgi"
)

// A request is sent on the goroutine of its connection, and that goroutine lends
// itself to the layer: the handler may run on it. Most handlers are done at once,
// so their responses need no other goroutine. If a handler takes longer than
// watchDelay, or sends a second message, another goroutine takes over the
// connection. The first one ends with the handler, and nothing waits for it but the
// worker whose work it does.

// errLent ends the work of a goroutine on its connection, because another one has
// taken it over.
var errLent = errors.New("another goroutine serves the connection")

// A lending says who serves an exchange.
type lending struct{ state atomic.Int32 }

const (
	ownGoroutine  int32 = iota // the goroutine of the connection
	lentGoroutine              // the same, but it may run the handler
	newGoroutine               // another one has taken over
)

// A lender is a transport whose goroutine can be lent.
type lender interface {
	// resume serves the rest of an exchange and the connection, on a new
	// goroutine.
	resume(x *exchange)
}

// send sends the message of a request. It fails with errLent if another goroutine
// has taken over meanwhile.
func (x *exchange) send(cause *asgi.Cause, m asgi.Message) error {
	ctx := x.t.context()
	if !x.lend() {
		return x.s.layer.Send(ctx, cause, asgi.HTTPRequest, m, asgi.Volatile)
	}
	err := x.s.layer.Send(ctx, cause, asgi.HTTPRequest, m, asgi.Volatile, asgi.Lend)
	if x.lent.end() {
		return err
	}
	if err != nil {
		x.sendErr = err
		x.unsent.Store(true)
		x.box.nudge()
	}
	return errLent
}

// lend lends the goroutine of the connection, unless the handler reads a part of
// the body from the connection.
func (x *exchange) lend() bool {
	if _, ok := x.t.(lender); !ok || x.unread {
		return false
	}
	x.box.crowd = true
	x.watch()
	x.lent.state.Store(lentGoroutine)
	return !x.slow.Load() || !x.lent.end()
}

// end ends the lending. It reports false if another goroutine has taken over.
func (l *lending) end() bool { return l.state.CompareAndSwap(lentGoroutine, ownGoroutine) }

// takeOver lets a new goroutine serve the connection if its own is lent.
func (x *exchange) takeOver() {
	if x.lent.state.CompareAndSwap(lentGoroutine, newGoroutine) {
		x.t.(lender).resume(x)
	}
}
