package httpfront

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"asgibox/asgi"
	"asgibox/internal/budget"
	"asgibox/internal/logkey"
)

// An exchange is one HTTP request and its response.
type exchange struct {
	s       *Server
	t       transport
	q       *request
	channel string
	trace   asgi.TraceID
	box     mailbox
	first   [1]entry // initial queue of box: most responses are one message
	wakeup  chan struct{}

	lent    lending     // whether the goroutine of the connection runs the handler
	woken   bool        // the mailbox has called wake since the goroutine was lent; guarded by box.mu
	unsent  atomic.Bool // sending has failed with sendErr after another goroutine has taken over
	sendErr error

	watched bool        // t watches for input
	slow    atomic.Bool // the response does not come at once
	sent    time.Time   // when the request was sent

	body     bodyReader
	head     int64           // its part of Server.heads
	ahead    int64           // of its body that net/http may read ahead
	shared   int64           // its part of Server.ahead
	arrival  *budget.Arrival // memory of the body, or nil
	upload   *upload         // sends the rest of a long body, or nil
	unread   bool            // the body has a rest
	progress atomic.Int64
	silence  *time.Timer // runs since the last output to a client that has closed its sending half; nil before

	held     int // size of the messages that t may hold back; they still count in box
	status   int // zero until the response has started
	written  int64
	length   int64 // content-length of the response, or -1
	flushed  bool
	bodyless bool
	lossy    atomic.Bool // a part of the response is lost
}

// serveRequest sends one request to the layer and writes its response.
func (s *Server) serveRequest(t transport, q *request) error {
	if q.length > s.opts.MaxBody {
		return s.refuse(t, q, s.refusedBody())
	}
	x := &exchange{s: s, t: t, q: q, sent: q.started, length: -1, wakeup: s.wakeup()}
	x.channel = s.names.next(s.prefix)
	x.box.owner, x.box.outputs, x.box.queue = x, &s.outputs, x.first[:0]
	if refused := s.conns.add(x.channel, &x.box, nil); refused != nil {
		return s.refuse(t, q, *refused)
	}
	sent, err := x.sendRequest()
	if err == errLent {
		return err
	}
	return x.complete(sent, err)
}

// complete writes the response of a request that was sent, or refused, and ends
// the exchange.
func (x *exchange) complete(sent bool, err error) error {
	s, t := x.s, x.t
	defer s.conns.done()
	if err == nil {
		err = x.respond()
	}
	t.unwatch()
	dropped := x.box.close() // what the handler sends now is too late
	if err == nil {
		err = x.checkWrite(t.finish())
	} else {
		x.flush() // the client must see the incomplete response
	}
	x.box.release(x.held)
	x.end(sent && !x.unsent.Load(), dropped)
	return err
}

// sendRequest reads the body, or the first part of a long one, and sends the
// request. It reports whether the request was sent; if not, a refusal has been
// written. It fails with errLent if another goroutine serves the connection now.
func (x *exchange) sendRequest() (sent bool, err error) {
	if !x.holdHead() || !x.holdStream() {
		x.refuse(refusedCrowded)
		return false, nil
	}
	body, more, err := x.readBody()
	if err != nil {
		return false, x.refuseBody(err)
	}
	x.unread = more
	var bodyChannel any
	if more {
		name, err := x.s.layer.NewChannel(x.s.life, "http.request.body?")
		if err != nil {
			x.refuseSend(err)
			return false, nil
		}
		bodyChannel = name
	}
	m, err := x.message(body, bodyChannel)
	if err == nil {
		cause := x.s.cause()
		x.trace = cause.Trace()
		err = x.send(cause, m)
	}
	if err == errLent {
		return false, err
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

var requestShape = asgi.NewShape(
	asgi.KeyReplyChannel, asgi.KeyHTTPVersion, asgi.KeyMethod, asgi.KeyScheme, asgi.KeyPath, asgi.KeyQueryString,
	asgi.KeyRootPath, asgi.KeyHeaders, asgi.KeyBody, asgi.KeyBodyChannel, asgi.KeyClient, asgi.KeyServer,
)

func (x *exchange) message(body asgi.Bytes, bodyChannel any) (asgi.Message, error) {
	q := x.q
	return requestShape.Message(
		x.channel, q.httpVersion(), q.methodValue(), q.httpScheme(), q.path, asgi.Bytes(q.query),
		q.rootPath, q.headers, body, bodyChannel, q.peer.client, q.peer.server,
	)
}

// respond writes the messages of the reply channel until the response is
// complete. It fails only with errAborted.
func (x *exchange) respond() error {
	if x.status != 0 {
		return nil // refused
	}
	var late *time.Timer
	defer func() {
		x.s.putTimer(late)
		x.s.putTimer(x.silence)
	}()
	for {
		if x.unsent.Load() {
			x.refuseSend(x.sendErr)
			return nil
		}
		e, ok := x.box.take()
		if ok {
			done, err := x.apply(e)
			x.hold(e.size)
			if done || err != nil {
				return err
			}
			continue
		}
		if err := x.flush(); err != nil {
			return err
		}
		if !x.box.idle() {
			continue
		}
		x.watch()
		if late == nil && x.status == 0 && x.slow.Load() && x.s.opts.HTTPTimeout > 0 {
			late = x.s.timer(x.s.opts.HTTPTimeout - time.Since(x.sent))
		}
		if done, err := x.wait(late); done || err != nil {
			return err
		}
	}
}

// watchDelay is how long a request runs until its client is watched. Most are done
// by then.
const watchDelay = 2 * time.Millisecond

// watch makes the transport watch for a client that leaves, once the whole body
// has been read.
func (x *exchange) watch() {
	if x.watched || x.upload != nil && !x.upload.isComplete() {
		return
	}
	x.watched = true
	x.t.watch(x, watchDelay)
}

// watching makes the exchange check for more than the mailbox when it waits.
func (x *exchange) watching() {
	x.slow.Store(true)
	x.takeOver()
	x.signal()
}

// wait waits until the mailbox has an entry. It reports whether the exchange
// has ended without one.
func (x *exchange) wait(late *time.Timer) (done bool, err error) {
	if !x.slow.Load() { // it will be after watchDelay
		<-x.wakeup
		return false, nil
	}
	if x.status == 0 {
		x.s.reportUnattended(asgi.HTTPRequest, x.q.path)
	}
	var expired <-chan time.Time
	if late != nil && x.status == 0 {
		expired = late.C
	}
	select {
	case <-x.wakeup:
		return false, nil
	case <-x.uploaded():
		return false, nil
	case <-x.left():
		return x.clientLeft()
	case <-x.silent():
		return true, errAborted // the client must not see a complete response
	case err := <-x.uploadFailed():
		return x.failUpload(err)
	case <-x.s.life.Done():
		if x.status != 0 {
			return true, errAborted
		}
		x.refuse(refusedStopping)
		return true, x.flush() // Shutdown closes the connection after the request has ended
	case <-expired:
		if rest := x.remaining(); rest > 0 {
			late.Reset(rest)
			return false, nil
		}
		x.s.conns.timedOut(x.channel)
		x.s.log.Warn("a request got no response in time",
			logkey.Channel, x.channel, logkey.Path, x.q.path, "timeout", x.s.opts.HTTPTimeout)
		x.refuse(x.s.refusedTimeout())
		return true, nil
	}
}

// remaining returns how much longer to wait for the response to start. The
// time limit starts again with every piece of the body that was sent.
func (x *exchange) remaining() time.Duration {
	last := x.progress.Load()
	if last == 0 {
		return 0
	}
	return x.s.opts.HTTPTimeout - time.Since(time.Unix(0, last))
}

// wake wakes the goroutine of the exchange. The mailbox calls it. If that goroutine
// runs the handler, the first message can wait until the handler has ended or
// watchDelay has passed. A second one is a part of a long response, which must not
// fill the mailbox.
func (x *exchange) wake() {
	if x.woken {
		x.box.crowd = false
		x.takeOver()
	}
	x.woken = true
	x.signal()
}

func (x *exchange) signal() {
	select {
	case x.wakeup <- struct{}{}:
	default:
	}
}

// full aborts a response of which a part is lost. Otherwise the sender gets
// ErrChannelFull from the layer.
func (x *exchange) full(lost bool) {
	if lost && x.lossy.CompareAndSwap(false, true) {
		x.s.log.Warn("a response was aborted: its client reads too slowly, and the worker that sent it did not wait", logkey.Channel, x.channel, logkey.Path, x.q.path)
		x.t.abort()
	}
}

// cuts reports whether a message says that the handler was ended because it had waited
// too long for its client.
func (x *exchange) cuts(m asgi.Message) bool {
	return m.Int(asgi.KeyStatus) == http.StatusRequestTimeout && m.Has(asgi.KeyAbort)
}

func (x *exchange) delivered() int64 { return x.t.delivered() }

// drop ends the connection. The write that is running fails.
func (x *exchange) drop() {
	x.s.log.Debug("a response was aborted because its client does not read", logkey.Channel, x.channel, logkey.Path, x.q.path)
	x.t.abort()
}

func (x *exchange) ends(m asgi.Message) bool {
	p, bad := parseReply(m, false)
	return bad == nil && p.abort
}

// end removes the exchange, sends http.disconnect and writes the access log.
func (x *exchange) end(sent bool, dropped int) {
	x.s.unregister(x.channel)
	x.s.heads.Add(-x.head)
	x.releaseStream()
	if dropped > 0 {
		x.s.log.Debug("messages to an ended request were dropped", logkey.Channel, x.channel, "count", dropped)
	}
	x.s.putWakeup(x.wakeup) // a closed mailbox does not wake its owner
	if x.upload != nil {
		x.upload.stop()
		if !x.upload.dropped {
			x.s.keepBody(x.upload.channel)
		}
	}
	if x.arrival != nil {
		x.arrival.End()
	}
	if sent && x.s.hasReader(asgi.HTTPDisconnect) {
		x.disconnect()
	}
	x.s.event(Event{
		Kind: HTTP, Client: x.q.peer.client, Method: upper(x.q.method), Target: x.q.uri,
		Version: x.q.version, Path: x.q.path, Status: x.status, Bytes: x.written, Started: x.q.started, Duration: time.Since(x.q.started), Disk: x.box.waited,
		Channel: x.channel, Trace: x.trace,
	})
}

func (x *exchange) disconnect() {
	m, err := asgi.NewMessage(
		asgi.Field{Key: asgi.KeyReplyChannel, Value: x.channel},
		asgi.Field{Key: asgi.KeyPath, Value: x.q.path},
	)
	if err == nil {
		err = x.s.layer.Send(x.s.life, x.s.cause(), asgi.HTTPDisconnect, m, asgi.Volatile)
	}
	if err != nil && !passes(err) && !errors.Is(err, context.Canceled) {
		x.s.log.Warn("could not send http.disconnect", logkey.Channel, x.channel, logkey.Error, err)
	}
}

// apply processes one entry of the mailbox.
func (x *exchange) apply(e entry) (done bool, err error) {
	if e.err != nil {
		x.s.log.Error("a response was not sent because its data could not be stored", logkey.Channel, x.channel, logkey.Error, e.err)
		return true, x.fail(refusedUnstored)
	}
	p, problem := parseReply(e.message, x.status == 0)
	if p.abort && problem == nil && x.status != 0 {
		return true, errAborted // the response in this message is only for a response that has not started
	}
	for _, key := range p.unknown {
		x.s.log.Log(context.Background(), e.problemLevel(), "a response has an unknown key", logkey.Channel, x.channel, keyKey, key)
	}
	if problem != nil {
		x.s.log.Error("a response cannot be sent", logkey.Channel, x.channel, keyKey, problem.key, logkey.Problem, problem.what)
		return true, x.fail(refusedReply(problem.Error()))
	}
	switch {
	case p.push != nil:
		x.push(*p.push)
		return false, nil
	case x.status == 0:
		return x.begin(p)
	case p.status != 0:
		x.s.log.Warn("a second status was ignored: the response has started", logkey.Channel, x.channel, keyKey, "status")
	}
	return x.write(p)
}

// fail sends the refusal, or aborts a response that has started.
func (x *exchange) fail(f refusal) error {
	if x.status != 0 {
		return errAborted
	}
	x.refuse(f)
	return nil
}

// begin writes the head of the response and its first content.
func (x *exchange) begin(p reply) (done bool, err error) {
	x.length = p.length
	x.bodyless = x.q.method == http.MethodHead || !hasContent(p.status)
	if problem := x.checkLength(p); problem != nil {
		x.s.log.Error("a response cannot be sent", logkey.Channel, x.channel, keyKey, problem.key, logkey.Problem, problem.what)
		return true, x.fail(refusedReply(problem.Error()))
	}
	if p.content != "" && !hasContent(p.status) {
		x.s.log.Warn("the content of a response was dropped: a response with its status has none", logkey.Channel, x.channel, "status", p.status)
	}
	x.freeBody()
	x.status = p.status
	x.t.start(head{
		status: p.status, headers: x.dropForbidden(p.headers), length: x.announced(p),
		closeConn: x.upload != nil && !x.upload.isComplete(), // the body may not be read completely by then
	})
	return x.write(p)
}

// announced returns the content length that the response announces, or -1.
func (x *exchange) announced(p reply) int64 {
	switch {
	case !hasContent(p.status):
		return emptyLength(p)
	case p.length >= 0 || p.more:
		return p.length
	case x.bodyless && p.content == "":
		return -1
	}
	return int64(len(p.content))
}

// write writes the content of a reply.
func (x *exchange) write(p reply) (done bool, err error) {
	if p.content != "" && !x.bodyless {
		if x.length >= 0 && x.written+int64(len(p.content)) > x.length {
			x.s.log.Error("a response was aborted: it is longer than its content-length",
				logkey.Channel, x.channel, keyKey, "content-length", "declared", x.length)
			return true, errAborted
		}
		if len(p.content) > writePiece {
			x.watch() // the client may not read it
		}
		x.flushed = false
		if err := x.checkWrite(x.t.write(p.content)); err != nil {
			return true, err
		}
		x.written += int64(len(p.content))
	}
	if p.more && !x.bodyless { // without a body the response is complete, and later parts are too late
		return false, nil
	}
	if x.length >= 0 && !x.bodyless && x.written < x.length {
		x.s.log.Error("a response was aborted: it is shorter than its content-length",
			logkey.Channel, x.channel, keyKey, "content-length", "declared", x.length, "written", x.written)
		return true, errAborted
	}
	return true, nil
}

// checkLength compares the content-length header with the content that is
// known so far.
func (x *exchange) checkLength(p reply) *problem {
	switch n := int64(len(p.content)); {
	case p.length < 0, x.bodyless && n == 0:
		return nil
	case n > p.length, !p.more && n < p.length:
		return &problem{"headers", "content-length is " + itoa(p.length) + " but the content has " + itoa(n) + " bytes"}
	}
	return nil
}

// flush sends the bytes that the transport holds back. It is called when the
// mailbox is empty. It fails with errAborted if the client is gone.
func (x *exchange) flush() error {
	if x.status == 0 || x.flushed {
		return nil
	}
	x.flushed = true
	if err := x.checkWrite(x.t.flush()); err != nil {
		return err
	}
	x.box.release(x.held)
	x.held = 0
	if x.silence != nil {
		x.silence.Reset(silenceLimit)
	}
	return nil
}

// hold counts a message that was written. The transport may hold back writePiece bytes
// until it is flushed.
func (x *exchange) hold(size int) {
	x.held += size
	if over := x.held - writePiece; over > 0 {
		x.box.release(over)
		x.held = writePiece
	}
}

// checkWrite turns the error of a write into errAborted.
func (x *exchange) checkWrite(err error) error {
	if err != nil {
		x.s.log.Debug("a response could not be written", logkey.Channel, x.channel, logkey.Error, err)
		return errAborted
	}
	return nil
}

// push pushes a resource to the client if the connection supports it.
func (x *exchange) push(p push) {
	pusher, ok := x.t.(interface{ push(push) error })
	if !ok || p.target == "" {
		return
	}
	p.headers = x.dropForbidden(p.headers)
	if err := pusher.push(p); err != nil {
		x.s.log.Debug("a server push failed", logkey.Channel, x.channel, logkey.Path, p.target, logkey.Error, err)
	}
}

// refuseSend refuses a request that the layer did not accept.
func (x *exchange) refuseSend(err error) {
	f, known := refusedLayer(err)
	if !known {
		x.s.log.Error("a request could not be sent", logkey.Path, x.q.path, logkey.Error, err)
	}
	x.refuse(f)
}
