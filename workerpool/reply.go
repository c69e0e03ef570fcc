package workerpool

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"asgibox/asgi"
)

// A Failure is a message that could not be handled, as it is shown to whoever
// waits for the answer.
type Failure struct {
	Err        error
	Status     int    // of the response
	Channel    string // the message's
	Message    asgi.Message
	Consumer   string // empty if it got to none
	Generation uint64
}

// A Page is the body of an error response.
type Page struct {
	ContentType string
	Content     asgi.Bytes
}

func plainPage(f Failure) Page {
	return Page{"text/plain; charset=utf-8", asgi.Bytes(fmt.Sprintf("%d %s\n\n%v\n", f.Status, http.StatusText(f.Status), f.Err))}
}

// A RoutelessError says that no route matches.
type RoutelessError struct {
	Channel string
	Path    string
}

func (e *RoutelessError) Error() string {
	return fmt.Sprintf("no route for %s %s", e.Channel, e.Path)
}

// unrouted answers a message that no route matches, if somebody waits.
func (p *Pool) unrouted(j *Job) {
	channel := j.Delivery.Channel
	if channel != httpRequest && channel != websocketConnect {
		p.log.Debug("no route", "channel", channel, "generation", j.gen.number)
		return
	}
	err := &RoutelessError{channel, j.Delivery.Message.Text("path")}
	p.log.Warn(err.Error(), "channel", j.reply, "generation", j.gen.number)
	p.refuse(j, Failure{Err: err, Status: http.StatusNotFound})
}

// fail reports what went wrong with a job, once, and answers whoever waits.
func (p *Pool) fail(j *Job, consumer string, err error) {
	var served *servedError
	if !errors.As(err, &served) {
		p.log.Error("a handler failed", "channel", j.Delivery.Channel, "consumer", consumer,
			"trace", j.Cause.Trace().String(), "generation", j.gen.number, "err", err)
	} else {
		err = served.err
	}
	p.refuse(j, Failure{Err: err, Status: http.StatusInternalServerError, Consumer: consumer})
}

// refuse sends the error reply that fits the job's channel.
func (p *Pool) refuse(j *Job, f Failure) {
	if j.reply == "" {
		return
	}
	f.Channel, f.Message, f.Generation = j.Delivery.Channel, j.Delivery.Message, j.gen.number
	var fields asgi.Fields
	switch f.Channel {
	case httpRequest:
		fields = append(p.response(f), asgi.Field{Key: "abort", Value: true})
	case websocketConnect, websocketReceive:
		fields = p.closing(f)
	default:
		return
	}
	m, err := asgi.NewMessage(fields...)
	if err == nil {
		err = p.layer.Send(context.Background(), j.Cause, j.reply, m, asgi.Volatile)
	}
	if err != nil {
		p.log.Error("an error reply could not be sent", "channel", j.reply, "err", err)
	}
}

func (p *Pool) response(f Failure) asgi.Fields {
	page := p.page(f)
	return asgi.Fields{
		{Key: "status", Value: int64(f.Status)},
		{Key: "headers", Value: []any{
			[]any{asgi.Bytes("content-type"), asgi.Bytes(page.ContentType)},
			[]any{asgi.Bytes("cache-control"), asgi.Bytes("no-store")},
		}},
		{Key: "content", Value: page.Content},
	}
}

// page draws the failure; a page that cannot be drawn is no reason not to
// answer.
func (p *Pool) page(f Failure) (page Page) {
	if err := guard(func() error { page = p.opts.ErrorPage(f); return nil }); err != nil {
		p.log.Error("the error page failed", "err", err)
		return plainPage(f)
	}
	return page
}

// closing ends a WebSocket: with a response if the handshake waits, with a
// close code if it is open.
func (p *Pool) closing(f Failure) asgi.Fields {
	code, reason := int64(1011), "the application failed"
	if f.Status == http.StatusNotFound {
		reason = "no route"
	}
	return asgi.Fields{
		{Key: "close", Value: code},
		{Key: "reason", Value: reason},
		{Key: "response", Value: p.response(f)},
	}
}

// closeFull closes a connection that sends more than its handler can take.
func (p *Pool) closeFull(t *task) {
	p.log.Warn("a connection sends faster than its handler works; closing it",
		"channel", t.reply, "waiting", p.opts.LaneMessages, "bytes", p.opts.LaneBytes)
	m := asgi.MustMessage(
		asgi.Field{Key: "close", Value: int64(1013)},
		asgi.Field{Key: "reason", Value: "too many messages are waiting to be handled"},
	)
	if err := p.layer.Send(context.Background(), t.cause, t.reply, m, asgi.Volatile); err != nil {
		p.log.Error("the connection could not be closed", "channel", t.reply, "err", err)
	}
}
