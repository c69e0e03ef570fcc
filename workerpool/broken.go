package workerpool

import (
	"context"

	"asgibox/asgi"
)

// broken replaces an application that did not load. It replies to every
// request and handshake with the error and leaves all other messages in the
// channel layer.
type broken struct {
	pool *Pool
	err  error
}

// reportedError is an error that needs no report, because it was reported when
// loading failed.
type reportedError struct{ err error }

func (e *reportedError) Error() string { return e.err.Error() }

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
	case asgi.HTTPRequest, asgi.WebSocketConnect, asgi.WebSocketReceive:
		return b
	}
	return nil
}

func (b *broken) Name() string                        { return "" }
func (b *broken) Explain(err error) error             { return err }
func (b *broken) Ordered() bool                       { return true }
func (b *broken) Limit() string                       { return "" }
func (b *broken) Consume(context.Context, *Job) error { return &reportedError{b.err} }
