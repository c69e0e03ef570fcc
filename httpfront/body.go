package httpfront

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"asgibox/asgi"
	"asgibox/internal/budget"
	"asgibox/internal/logkey"
)

const (
	inlineBody = 512 << 10 // most bytes of a body in the request message
	bodyPiece  = 64 << 10  // bytes of a message on a body channel
)

// inlineLimit returns how much of a body goes into the request message.
func (s *Server) inlineLimit() int64 {
	if n := int64(s.set.MaxMessage); n > 0 && n < inlineBody {
		return n
	}
	return inlineBody
}

// readBody reads the body, or as much of it as a request message may hold.
func (x *exchange) readBody() (body asgi.Bytes, more bool, err error) {
	length := x.q.length
	if length == 0 {
		return "", false, nil
	}
	limit := x.s.inlineLimit()
	if length > 0 {
		limit = min(limit, length)
	}
	x.body = bodyReader{x.t, x.s.opts.MaxBody}
	x.arrival = x.s.budget.Arrival(x, x.q.peer.arriving, x.s.opts.HTTPTimeout)
	if !x.arrival.HoldHead(x.q.headMemory()) {
		return "", false, budget.ErrNoRoom
	}
	x.bodyDeadline(x.s.opts.HTTPTimeout)
	data, end, err := readAll(x.arrival, x.t.context().Done(), &x.body, limit, length > 0)
	if x.arrival.IsRefused() {
		err = budget.ErrSilent
	}
	x.bodyDeadline(Forever)
	if err != nil {
		x.arrival.End()
		return "", false, err
	}
	x.sent = time.Now()
	return asgi.Bytes(data), !end && limit != length, nil
}

// errBodyTooLong is the error of a body over MaxBody.
var errBodyTooLong = errors.New("the request body is too long")

// A bodyReader reads a body and fails with errBodyTooLong if it is too long.
type bodyReader struct {
	t    transport
	left int64 // most bytes that may still come
}

func (b *bodyReader) Read(p []byte) (n int, err error) {
	n, err = b.t.readBody(p)
	if b.left -= int64(n); b.left < 0 {
		return n + int(b.left), errBodyTooLong
	}
	return n, err
}

// pieceSize returns the most bytes of a message on a body channel.
func (s *Server) pieceSize() int64 { return min(bodyPiece, s.inlineLimit()) }

// freeBody gives back the memory of the body, except for the buffer of an upload
// that is running. Until the response starts, the body may wait in the layer.
func (x *exchange) freeBody() {
	switch {
	case x.upload != nil:
		x.arrival.Shrink(x.s.pieceSize())
	case x.arrival != nil:
		x.arrival.End()
	}
}

// Interrupt ends the reading of the body.
func (x *exchange) Interrupt() { x.t.interrupt() }

// Pause starts the time limit of the body again after a wait for memory.
func (x *exchange) Pause(on bool) {
	if !on {
		x.bodyDeadline(x.s.opts.HTTPTimeout)
	}
}

// bodyDeadline limits the time until the next part of the body arrives.
func (x *exchange) bodyDeadline(d time.Duration) {
	var at time.Time
	if d > 0 {
		at = time.Now().Add(d)
	}
	x.t.readBy(at)
}

// refuseBody refuses a request whose body could not be read.
func (x *exchange) refuseBody(err error) error {
	switch {
	case errors.Is(err, errBodyTooLong):
		x.refuse(x.s.refusedBody())
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, budget.ErrSilent):
		x.refuse(refusedSlowBody)
	case errors.Is(err, budget.ErrNoRoom):
		x.refuse(refusedCrowded)
	case errors.Is(err, io.ErrUnexpectedEOF) || x.t.lost() || x.t.context().Err() != nil:
		return errAborted // the client disconnected
	default:
		x.refuse(badRequest(errors.New("the framing of the request body is invalid")))
	}
	return nil
}

// An upload sends the rest of a long body to the application in pieces, while
// its exchange waits for the response.
type upload struct {
	x          *exchange
	channel    string
	failed     chan error // receives at most one error that the client caused
	ctx        context.Context
	cancel     context.CancelFunc
	done       chan struct{}
	clientLeft atomic.Bool   // the exchange ended because the client disconnected
	order      int64         // of the last piece
	dropped    bool          // the channel has only the end of the body; valid after done
	mu         sync.Mutex    // held while the read deadline is set
	complete   chan struct{} // closed when the whole body has been read
}

func newUpload(x *exchange, channel string) *upload {
	u := &upload{x: x, channel: channel, failed: make(chan error, 1), done: make(chan struct{}), complete: make(chan struct{})}
	u.ctx, u.cancel = context.WithCancel(x.s.life)
	return u
}

// start starts the reading goroutine. The response may start before the body
// has ended.
func (u *upload) start() {
	u.x.slow.Store(true)
	u.x.t.duplex()
	u.x.progress.Store(time.Now().UnixNano())
	go u.run()
}

// stop stops the reading at the end of the exchange. It then gives net/http a
// moment to read the rest of the body, so that a client that is still writing
// gets the response and not a connection error.
func (u *upload) stop() {
	select {
	case <-u.x.t.left():
		u.clientLeft.Store(true)
	default:
	}
	u.cancel()
	select {
	case <-u.done:
		return
	default:
	}
	u.mu.Lock()
	interrupted := !u.isComplete()
	if interrupted {
		u.x.Interrupt()
	}
	u.mu.Unlock()
	<-u.done
	if interrupted {
		u.x.bodyDeadline(time.Second)
	}
}

func (u *upload) isComplete() bool {
	select {
	case <-u.complete:
		return true
	default:
		return false
	}
}

// end records that the whole body has been read. It is called before the last
// piece is sent, because the response may come at once and the connection must
// stay open after it.
func (u *upload) end() {
	u.mu.Lock()
	defer u.mu.Unlock()
	close(u.complete)
	u.x.bodyDeadline(Forever)
}

func (u *upload) run() {
	defer close(u.done)
	defer u.x.arrival.End()
	if err := u.readAll(); err != nil {
		u.close(err)
	}
}

// readAll sends the body piece by piece until its end.
func (u *upload) readAll() error {
	buf := make([]byte, u.x.s.pieceSize())
	for {
		if err := u.extendDeadline(); err != nil {
			return err
		}
		n, err := u.fill(buf)
		last := err == io.EOF
		if last {
			u.end()
		}
		if n > 0 || last {
			if err := u.send(buf[:n], !last); err != nil {
				return err
			}
		}
		switch {
		case last:
			return nil
		case err != nil:
			return err
		}
	}
}

// pieceTime is how long a piece may take, so that the handler sees the progress of a slow
// client.
const pieceTime = 250 * time.Millisecond

// fill reads a piece, which is shorter than buf if the client is slow.
func (u *upload) fill(buf []byte) (n int, err error) {
	began := time.Now()
	for n < len(buf) && err == nil && (n < budget.LeastMoved || time.Since(began) < pieceTime) {
		var m int
		m, err = u.x.arrival.Read(&u.x.body, buf[n:])
		n += m
	}
	return n, err
}

// extendDeadline sets the read deadline of the next piece. It fails if the
// exchange has ended.
func (u *upload) extendDeadline() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if err := u.ctx.Err(); err != nil {
		return err
	}
	u.x.bodyDeadline(u.x.s.opts.HTTPTimeout)
	return nil
}

// close informs the application that the rest of the body will not come. If the
// client caused the error, it also reports it to the exchange. If the request is
// over, or the channel is full, the waiting pieces are dropped.
func (u *upload) close(err error) {
	if errors.Is(err, errBodyTooLong) || errors.Is(err, os.ErrDeadlineExceeded) {
		u.failed <- err
	}
	over := u.ctx.Err() != nil && !u.clientLeft.Load()
	if over || !u.x.s.sendEnd(u.channel) {
		u.x.s.drop(u.channel)
		u.x.s.endBody(u.channel)
		u.dropped = true
	}
}

// send sends one piece. If the channel is full, it waits for the reader.
func (u *upload) send(content []byte, more bool) error {
	u.order++
	m, err := pieceMessage(content, more, false, u.order)
	if err == nil {
		err = u.x.s.sendWhenRoom(u.ctx, u.x.s.cause(), forever, u.channel, m, asgi.Lasting)
	}
	if err == nil {
		u.x.progress.Store(time.Now().UnixNano())
	} else if u.ctx.Err() == nil {
		u.x.s.log.Error("a piece of a request body could not be sent", logkey.Channel, u.channel, logkey.Error, err)
	}
	return err
}

// pieceMessage returns a piece of a body, or the message that ends a body that does
// not come completely.
func pieceMessage(content []byte, more, closed bool, order int64) (asgi.Message, error) {
	return asgi.NewMessage(
		asgi.Field{Key: asgi.KeyContent, Value: asgi.Bytes(content)},
		asgi.Field{Key: asgi.KeyMoreContent, Value: more},
		asgi.Field{Key: asgi.KeyClosed, Value: closed},
		asgi.Field{Key: asgi.KeyOrder, Value: order}, // so that the reader notices the loss of a piece
	)
}

// uploadFailed returns a channel that receives an error that the client caused
// in the rest of its body.
func (x *exchange) uploadFailed() <-chan error {
	if x.upload == nil {
		return nil
	}
	return x.upload.failed
}

// failUpload refuses a request whose body turned out too long or too slow. A
// response that has started continues.
func (x *exchange) failUpload(err error) (done bool, _ error) {
	if x.status != 0 {
		return false, nil
	}
	return true, x.refuseBody(err)
}

// uploaded returns a channel that is closed when the whole body has been read,
// if the exchange must watch its client from then on.
func (x *exchange) uploaded() <-chan struct{} {
	if x.upload == nil || x.watched {
		return nil
	}
	return x.upload.complete
}
