package workerpool

import (
	"context"

	"asgibox/asgi"
)

// broken stands in for an application that did not load: it answers every
// request and handshake with the error, and leaves everything else where it
// is.
type broken struct {
	pool *Pool
	err  error
}

// servedError is an error that has been reported before it is served.
type servedError struct{ err error }

func (e *servedError) Error() string { return e.err.Error() }

func (b *broken) Live(context.Context, bool) error { return nil }
func (b *broken) Current()                         {}
func (b *broken) Drain()                           {}
func (b *broken) Stop(context.Context) error       { return nil }
func (b *broken) Close()                           {}
func (b *broken) Channels() []string               { return nil }
func (b *broken) Clocks() []Clock                  { return nil }
func (b *broken) Limits() []Limit                  { return nil }

func (b *broken) Route(d asgi.Delivery) Consumer {
	switch d.Channel {
	case httpRequest, websocketConnect, websocketReceive:
		return b
	}
	return nil
}

func (b *broken) Name() string                        { return "" }
func (b *broken) Explain(err error) error             { return err }
func (b *broken) Ordered() bool                       { return true }
func (b *broken) Limit() string                       { return "" }
func (b *broken) Consume(context.Context, *Job) error { return &servedError{b.err} }
