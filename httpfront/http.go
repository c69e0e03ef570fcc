package httpfront

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"asgibox/asgi"
)

const (
	channelRequest    = "http.request"
	channelDisconnect = "http.disconnect"
)

// errCut ends a response that cannot be ended well: the connection is closed,
// so that its client sees that something is missing.
var errCut = errors.New("the response was cut")

// An exchange is one HTTP request and its response.
type exchange struct {
	s       *Server
	w       http.ResponseWriter
	q       *request
	channel string
	trace   asgi.TraceID
	began   time.Time
	box     mailbox
	room    [1]entry // for the box: most responses are one message
	wakeup  chan struct{}

	upload   *upload // the rest of a long body, else nil
	unread   bool    // there is such a rest
	progress atomic.Int64

	status   int // once the response has begun
	written  int64
	length   int64 // what the application promised, or -1
	flushed  bool
	bodyless bool
}

// serveRequest carries one request to the layer and its response back.
func (s *Server) serveRequest(w http.ResponseWriter, q *request, began time.Time) {
	r := q.http
	if r.ContentLength > s.opts.MaxBody {
		s.refuse(w, r, began, s.refusedBody())
		return
	}
	x := &exchange{s: s, w: w, q: q, began: began, length: -1, wakeup: s.wakeup()}
	x.channel = s.names.next(s.prefix)
	x.box.owner, x.box.all, x.box.queue = x, &s.bytes, x.room[:0]
	if !s.conns.join(x.channel, &x.box, nil) {
		s.refuse(w, r, began, refusedStopping)
		return
	}
	defer s.conns.leave()
	asked, err := x.ask()
	if err == nil {
		err = x.answer()
	}
	x.end(asked)
	if err != nil {
		x.flush()                   // its client is to see what there was, and that it breaks off
		panic(http.ErrAbortHandler) // net/http's way to close a connection
	}
}

// ask reads the body, or its first part, and sends the request. It reports
// whether the application may have heard of it; if not, a refusal has been
// written.
func (x *exchange) ask() (asked bool, err error) {
	body, more, err := x.readBody()
	if err != nil {
		return false, x.refuseBody(err)
	}
	var bodyChannel any
	if more {
		name, err := x.s.layer.NewChannel(x.s.life, "http.request.body?")
		if err != nil {
			x.refuse(refusedBroken(err))
			return false, nil
		}
		bodyChannel = name
	}
	x.unread = more
	m, err := x.message(body, bodyChannel)
	if err == nil {
		cause := x.s.cause()
		x.trace = cause.Trace()
		err = x.s.layer.Send(x.q.http.Context(), cause, channelRequest, m, asgi.Volatile)
	}
	if err != nil {
		x.refuseSend(err)
		return false, nil
	}
	if more {
		x.upload = newUpload(x, bodyChannel.(string))
		x.upload.start()
	}
	return true, nil
}

func (x *exchange) message(body asgi.Bytes, bodyChannel any) (asgi.Message, error) {
	q := x.q
	return asgi.Converter(nil).OwnMessage(asgi.Fields{
		{Key: "reply_channel", Value: x.channel},
		{Key: "http_version", Value: q.httpVersion()},
		{Key: "method", Value: q.method()},
		{Key: "scheme", Value: q.httpScheme()},
		{Key: "path", Value: q.path},
		{Key: "query_string", Value: asgi.Bytes(q.query)},
		{Key: "root_path", Value: q.rootPath},
		{Key: "headers", Value: q.headers},
		{Key: "body", Value: body},
		{Key: "body_channel", Value: bodyChannel},
		{Key: "client", Value: q.peer.client},
		{Key: "server", Value: q.peer.server},
	})
}

// answer writes what comes to the reply channel until the response is whole.
// An error is errCut.
func (x *exchange) answer() error {
	if x.status != 0 {
		return nil // refused
	}
	var late *time.Timer
	defer func() { x.s.putTimer(late) }()
	for {
		e, ok := x.box.take()
		if ok {
			done, err := x.apply(e)
			x.box.release(e)
			if done || err != nil {
				return err
			}
			continue
		}
		x.flush()
		if !x.box.rest() {
			continue
		}
		if late == nil && x.status == 0 && x.s.opts.HTTPTimeout > 0 {
			late = x.s.timer(x.s.opts.HTTPTimeout)
		}
		if done, err := x.wait(late); done || err != nil {
			return err
		}
	}
}

// wait sleeps until there is something to write, and reports whether the
// exchange is over without it.
func (x *exchange) wait(late *time.Timer) (done bool, err error) {
	var expired <-chan time.Time
	if late != nil && x.status == 0 {
		expired = late.C
	}
	select {
	case <-x.wakeup:
		return false, nil
	case <-x.q.http.Context().Done():
		return true, errCut // a client that only stopped writing must not take this for the end
	case err := <-x.uploadFailed():
		return x.tooLong(err)
	case <-x.s.life.Done():
		if x.status != 0 {
			return true, errCut
		}
		x.refuse(refusedStopping)
		return true, nil
	case <-expired:
		if rest := x.patience(); rest > 0 {
			late.Reset(rest)
			return false, nil
		}
		x.s.conns.timedOut(x.channel)
		x.s.log.Warn("nobody answered a request in time",
			keyChannel, x.channel, keyPath, x.q.path, "timeout", x.s.opts.HTTPTimeout)
		x.refuse(refusedTimeout(x.s.opts.HTTPTimeout))
		return true, nil
	}
}

// patience answers how much longer to wait for a response to begin: a body
// that is still being handed over starts the time anew.
func (x *exchange) patience() time.Duration {
	last := x.progress.Load()
	if last == 0 {
		return 0
	}
	return x.s.opts.HTTPTimeout - time.Since(time.Unix(0, last))
}

// wake is the mailbox's way to fetch the exchange's goroutine.
func (x *exchange) wake() {
	select {
	case x.wakeup <- struct{}{}:
	default:
	}
}

// full is the mailbox's word that its client is slow; who streams hears it
// from the layer.
func (x *exchange) full() {}

// end says that the exchange is over, to the layer and to the log.
func (x *exchange) end(asked bool) {
	x.s.depart(x.channel)
	if n := x.box.close(); n > 0 {
		x.s.log.Debug("messages to an ended request were dropped", keyChannel, x.channel, "count", n)
	}
	x.s.putWakeup(x.wakeup) // a closed mailbox wakes nobody
	if x.upload != nil {
		x.upload.stop()
	}
	if asked && x.s.hasReader(channelDisconnect) {
		x.disconnect()
	}
	x.s.event(Event{
		Kind: HTTP, Client: x.q.peer.client, Method: upper(x.q.http.Method), Target: x.q.http.RequestURI,
		Version: version(x.q.http), Path: x.q.path, Status: x.status, Bytes: x.written, Duration: time.Since(x.began),
		Channel: x.channel, Trace: x.trace,
	})
}

func (x *exchange) disconnect() {
	m, err := asgi.NewMessage(
		asgi.Field{Key: "reply_channel", Value: x.channel},
		asgi.Field{Key: "path", Value: x.q.path},
	)
	if err == nil {
		err = x.s.layer.Send(x.s.life, x.s.cause(), channelDisconnect, m, asgi.Volatile)
	}
	if err != nil && !errors.Is(err, asgi.ErrChannelFull) && !errors.Is(err, context.Canceled) {
		x.s.log.Warn("the end of a request could not be told", keyChannel, x.channel, keyError, err)
	}
}

// apply carries out one entry of the mailbox.
func (x *exchange) apply(e entry) (done bool, err error) {
	if e.err != nil {
		x.s.log.Error("a response was not sent, since what it tells of could not be stored", keyChannel, x.channel, keyError, e.err)
		return true, x.fail("")
	}
	p, problem := parseReply(e.message, x.status == 0)
	if p.abort && problem == nil && x.status != 0 {
		return true, errCut // what came with it was for a client that has seen nothing yet
	}
	for _, key := range p.unknown {
		x.s.log.Warn("a response has a key that means nothing", keyChannel, x.channel, keyKey, key)
	}
	if problem != nil {
		x.s.log.Error("a response cannot be sent", keyChannel, x.channel, keyKey, problem.key, keyProblem, problem.what)
		return true, x.fail(problem.Error())
	}
	switch {
	case p.push != nil:
		x.push(*p.push)
		return false, nil
	case x.status == 0:
		return x.begin(p)
	case p.status != 0:
		x.s.log.Warn("a second status was ignored: the response has begun", keyChannel, x.channel, keyKey, "status")
	}
	return x.write(p)
}

// fail answers 500 if nothing is out yet, else cuts the stream.
func (x *exchange) fail(problem string) error {
	if x.status != 0 {
		return errCut
	}
	x.refuse(refusedReply(problem))
	return nil
}

// begin writes the head of the response and its first content.
func (x *exchange) begin(p reply) (done bool, err error) {
	h := x.w.Header()
	for name, values := range p.headers {
		h[name] = values
	}
	if _, typed := h["Content-Type"]; !typed {
		h["Content-Type"] = nil // or net/http would guess
	}
	x.length = p.length
	x.bodyless = x.q.http.Method == http.MethodHead || p.status == http.StatusNoContent || p.status == http.StatusNotModified
	if problem := x.checkLength(p); problem != nil {
		clear(h)
		x.s.log.Error("a response cannot be sent", keyChannel, x.channel, keyKey, problem.key, keyProblem, problem.what)
		return true, x.fail(problem.Error())
	}
	x.frame(h, p)
	x.closeIfUnread(h)
	x.status = p.status
	x.w.WriteHeader(p.status)
	return x.write(p)
}

// ownLength is the length from which net/http would send a response in chunks.
// Of a shorter one it tells the length by itself, which costs less.
const ownLength = 2048

// frame adds the length where it is known and may be said.
func (x *exchange) frame(h http.Header, p reply) {
	switch {
	case p.status == http.StatusNoContent:
		delete(h, "Content-Length")
	case p.more || x.length >= 0 || p.status == http.StatusNotModified:
	case x.bodyless && p.content == "":
	case x.bodyless || len(p.content) >= ownLength || !x.q.http.ProtoAtLeast(1, 1):
		setLength(h, len(p.content))
	}
}

// write writes the content of a reply.
func (x *exchange) write(p reply) (done bool, err error) {
	if p.content != "" && !x.bodyless {
		if x.length >= 0 && x.written+int64(len(p.content)) > x.length {
			x.s.log.Error("a response was cut: it is longer than its content-length",
				keyChannel, x.channel, keyKey, "content-length", "promised", x.length)
			return true, errCut
		}
		n, err := io.WriteString(x.w, p.content)
		x.written += int64(n)
		x.flushed = false
		if err != nil {
			x.s.log.Debug("a response could not be written", keyChannel, x.channel, keyError, err)
			return true, errCut
		}
	}
	if p.more {
		return false, nil
	}
	if x.length >= 0 && !x.bodyless && x.written < x.length {
		x.s.log.Error("a response was cut: it is shorter than its content-length",
			keyChannel, x.channel, keyKey, "content-length", "promised", x.length, "written", x.written)
		return true, errCut
	}
	return true, nil
}

// checkLength holds the promised length against the content, as far as that
// is known.
func (x *exchange) checkLength(p reply) *problem {
	switch n := int64(len(p.content)); {
	case p.length < 0, x.bodyless && n == 0:
		return nil
	case n > p.length, !p.more && n < p.length:
		return &problem{"headers", "content-length promises " + itoa(p.length) + " bytes, the content has " + itoa(n)}
	}
	return nil
}

// flush sends what net/http holds back, once nothing more waits to be written.
func (x *exchange) flush() {
	if x.status == 0 || x.flushed {
		return
	}
	x.flushed = true
	http.NewResponseController(x.w).Flush()
}

// push has the peer pushed a resource, where it can be.
func (x *exchange) push(p push) {
	pusher, ok := x.w.(http.Pusher)
	if !ok || p.target == "" {
		return
	}
	if err := pusher.Push(p.target, &http.PushOptions{Method: p.method, Header: p.headers}); err != nil {
		x.s.log.Debug("a server push was not made", keyChannel, x.channel, keyPath, p.target, keyError, err)
	}
}

// refuseSend answers a request that the layer did not take.
func (x *exchange) refuseSend(err error) {
	switch {
	case errors.Is(err, asgi.ErrChannelFull):
		x.refuse(refusedFull)
	case errors.Is(err, asgi.ErrMessageTooLarge):
		x.refuse(refusedHeaders)
	default:
		x.s.log.Error("a request could not be sent", keyPath, x.q.path, keyError, err)
		x.refuse(refusedBroken(err))
	}
}
