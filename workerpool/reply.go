package workerpool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"asgibox/asgi"
	"asgibox/internal/logkey"
)

// A Failure is a message that could not be handled.
type Failure struct {
	Err        error
	Status     int    // of the response
	Channel    string // of the message
	Message    asgi.Message
	Consumer   string // "" if none was found
	Generation uint64
	Trace      asgi.TraceID
	ID         uint64 // number that the layer gave the message; zero if it gives none
}

// A Page is the body of an error response.
type Page struct {
	Status      int // of the response, if different from that of the failure
	ContentType string
	Content     asgi.Bytes
}

func plainPage(f Failure) Page {
	return Page{ContentType: "text/plain; charset=utf-8", Content: asgi.Bytes(fmt.Sprintf("%d %s\n\n%v\n", f.Status, http.StatusText(f.Status), f.Err))}
}

// A NoRouteError says that no route matches a message.
type NoRouteError struct {
	Channel string
	Path    string
}

func (e *NoRouteError) Error() string {
	return fmt.Sprintf("no route for %s %s", e.Channel, e.Path)
}

// HTTPStatus returns the status of the response.
func (e *NoRouteError) HTTPStatus() int { return http.StatusNotFound }

// unrouted replies to a request or handshake that no route matches.
func (p *Pool) unrouted(j *Job) {
	channel := j.Delivery.Channel
	if channel != asgi.HTTPRequest && channel != asgi.WebSocketConnect {
		j.unrouted = !isDisconnect(channel) // many applications have no routes for them
		p.log.Debug("no route", logkey.Channel, channel, logkey.Generation, j.gen.number)
		return
	}
	p.fail(j, "", &NoRouteError{channel, j.Delivery.Message.Text(asgi.KeyPath)})
}

// fail reports the failure of a job and sends an error reply. If the client of
// the job has left, it only logs. If the error has
// a method HTTPStatus, that is the status of the response; below 500 it is the
// fault of the client.
func (p *Pool) fail(j *Job, consumer string, err error) {
	if errors.Is(err, asgi.ErrGone) {
		p.log.Debug("a handler was ended because its client has left", logkey.Channel, j.reply, "consumer", consumer, logkey.Generation, j.gen.number)
		return
	}
	f := Failure{
		Err: err, Status: http.StatusInternalServerError, Consumer: consumer,
		Channel: j.Delivery.Channel, Message: j.Delivery.Message, Generation: j.gen.number,
		Trace: j.Cause.Trace(), ID: j.Delivery.ID,
	}
	var coded interface{ HTTPStatus() int }
	if errors.As(err, &coded) {
		f.Status = coded.HTTPStatus()
	}
	j.failed = f.Status >= http.StatusInternalServerError
	var served *reportedError
	if errors.As(err, &served) {
		f.Err = served.err
	} else {
		p.opts.Report(f)
	}
	p.sendErrorReply(j, f)
}

// LogFailure logs a failure with further attributes. It is the default of
// [Options.Report].
func LogFailure(ctx context.Context, log *slog.Logger, f Failure, args ...any) {
	level, text := slog.LevelError, "a handler failed"
	switch {
	case f.Status < 500 && f.Channel == asgi.HTTPRequest:
		level, text = slog.LevelDebug, "a request was refused" // the response shows why
	case f.Status < 500 || f.Status == http.StatusServiceUnavailable:
		level, text = slog.LevelWarn, "a message was refused"
	}
	all := []any{logkey.Channel, f.Channel, "consumer", f.Consumer}
	if f.Trace != 0 { // a message that came over Redis has none
		all = append(all, logkey.Trace, f.Trace.String())
	}
	all = append(all, logkey.Generation, f.Generation, logkey.Error, f.Err)
	log.Log(ctx, level, text, append(all, args...)...)
}

// sendErrorReply sends the kind of error reply that the channel of the job
// needs.
func (p *Pool) sendErrorReply(j *Job, f Failure) {
	if j.reply == "" {
		return
	}
	var fields asgi.Fields
	switch f.Channel {
	case asgi.HTTPRequest:
		fields = append(p.response(j, f), asgi.Field{Key: "abort", Value: true})
	case asgi.WebSocketConnect, asgi.WebSocketReceive:
		fields = p.closeFields(j, f)
	default:
		return
	}
	m, err := asgi.NewMessage(fields...)
	if err == nil {
		err = p.layer.Send(context.Background(), j.Cause, j.reply, m, asgi.Volatile)
	}
	if err != nil && !errors.Is(err, asgi.ErrStoreFailed) {
		p.log.Error("could not send an error reply", logkey.Channel, j.reply, logkey.Error, err)
	}
}

// response returns the fields of an error response.
func (p *Pool) response(j *Job, f Failure) asgi.Fields {
	page := p.page(f)
	if page.Status == 0 {
		page.Status = f.Status
	}
	headers := []any{
		[]any{asgi.Bytes("content-type"), asgi.Bytes(page.ContentType)},
		[]any{asgi.Bytes("cache-control"), asgi.Bytes("no-store")},
	}
	p.mu.Lock()
	cookie := j.cookie
	p.mu.Unlock()
	if cookie != "" {
		headers = append(headers, []any{asgi.Bytes("set-cookie"), asgi.Bytes(cookie)})
	}
	return asgi.Fields{
		{Key: asgi.KeyStatus, Value: int64(page.Status)},
		{Key: asgi.KeyHeaders, Value: headers},
		{Key: asgi.KeyContent, Value: page.Content},
	}
}

// page renders the error page. If that fails, it returns a plain one.
func (p *Pool) page(f Failure) (page Page) {
	if err := guard(func() error { page = p.opts.ErrorPage(f); return nil }); err != nil {
		p.log.Error("the error page failed", logkey.Error, err)
		return plainPage(f)
	}
	return page
}

// FailedReason is the reason in the close frame of a WebSocket whose handler
// failed.
const FailedReason = "the application failed"

// closeFields returns the fields of a message that ends a WebSocket. A
// handshake is refused with the response, an open WebSocket is closed with the
// code.
func (p *Pool) closeFields(j *Job, f Failure) asgi.Fields {
	code, reason := asgi.CloseFailed, "refused"
	switch {
	case f.Err == errClientSilent:
		code, reason = asgi.CloseBusy, "too slow"
	case f.Status >= http.StatusInternalServerError:
		reason = p.opts.CloseReason(f)
	}
	return asgi.Fields{
		{Key: asgi.KeyClose, Value: int64(code)},
		{Key: asgi.KeyReason, Value: reason},
		{Key: "response", Value: p.response(j, f)},
	}
}
