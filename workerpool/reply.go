package workerpool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
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
	Trace      asgi.TraceID
}

// A Page is the body of an error response.
type Page struct {
	Status      int // of the response, if another than the failure's
	ContentType string
	Content     asgi.Bytes
}

func plainPage(f Failure) Page {
	return Page{ContentType: "text/plain; charset=utf-8", Content: asgi.Bytes(fmt.Sprintf("%d %s\n\n%v\n", f.Status, http.StatusText(f.Status), f.Err))}
}

// A RoutelessError says that no route matches.
type RoutelessError struct {
	Channel string
	Path    string
}

func (e *RoutelessError) Error() string {
	return fmt.Sprintf("no route for %s %s", e.Channel, e.Path)
}

// HTTPStatus is how the message is answered.
func (e *RoutelessError) HTTPStatus() int { return http.StatusNotFound }

// unrouted answers a message that no route matches, if somebody waits.
func (p *Pool) unrouted(j *Job) {
	channel := j.Delivery.Channel
	if channel != httpRequest && channel != websocketConnect {
		p.log.Debug("no route", "channel", channel, "generation", j.gen.number)
		return
	}
	p.fail(j, "", &RoutelessError{channel, j.Delivery.Message.Text("path")})
}

// fail reports what went wrong with a job, once, and answers whoever waits. An
// error with a method HTTPStatus says what the answer is, and below 500 that
// the fault is the sender's.
func (p *Pool) fail(j *Job, consumer string, err error) {
	f := Failure{
		Err: err, Status: http.StatusInternalServerError, Consumer: consumer,
		Channel: j.Delivery.Channel, Message: j.Delivery.Message, Generation: j.gen.number,
		Trace: j.Cause.Trace(),
	}
	var coded interface{ HTTPStatus() int }
	if errors.As(err, &coded) {
		f.Status = coded.HTTPStatus()
	}
	var served *servedError
	if errors.As(err, &served) {
		f.Err = served.err
	} else {
		p.opts.Report(f)
	}
	p.refuse(j, f)
}

// log is how failures are reported by default.
func (p *Pool) logFailure(f Failure) {
	level, text := slog.LevelError, "a handler failed"
	switch {
	case f.Status < 500 && f.Channel == httpRequest:
		level, text = slog.LevelDebug, "a request was refused" // which its sender sees
	case f.Status < 500:
		level, text = slog.LevelWarn, "a message was refused"
	}
	p.log.Log(context.Background(), level, text, "channel", f.Channel, "consumer", f.Consumer,
		"trace", f.Trace.String(), "generation", f.Generation, "err", f.Err)
}

// refuse sends the error reply that fits the job's channel.
func (p *Pool) refuse(j *Job, f Failure) {
	if j.reply == "" {
		return
	}
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
	if page.Status == 0 {
		page.Status = f.Status
	}
	return asgi.Fields{
		{Key: "status", Value: int64(page.Status)},
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
	if f.Status < http.StatusInternalServerError {
		reason = "refused"
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
