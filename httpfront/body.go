package httpfront

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"asgibox/asgi"
)

const (
	inlineBody = 512 << 10 // what a request carries itself
	bodyPiece  = 64 << 10  // what a message on a body channel carries
)

// inline answers how much of a body goes into the request itself.
func (s *Server) inline() int64 {
	if n := int64(s.set.MaxMessage); n > 0 && n < inlineBody {
		return n
	}
	return inlineBody
}

// readBody reads the body, or as much of it as a request may carry.
func (x *exchange) readBody() (body asgi.Bytes, more bool, err error) {
	r := x.q.http
	if r.ContentLength == 0 || r.Body == nil || r.Body == http.NoBody {
		return "", false, nil
	}
	limit := x.s.inline()
	r.Body = http.MaxBytesReader(x.w, r.Body, x.s.opts.MaxBody)
	x.bodyDeadline(x.s.opts.HTTPTimeout)
	defer x.bodyDeadline(Forever)
	var b bytes.Buffer
	b.Grow(int(min(max(r.ContentLength, bytes.MinRead), 16<<10)) + bytes.MinRead)
	n, err := b.ReadFrom(io.LimitReader(r.Body, limit))
	switch {
	case err != nil:
		return "", false, err
	case n < limit, r.ContentLength == limit:
		return asgi.Bytes(b.Bytes()), false, nil
	}
	return asgi.Bytes(b.Bytes()), true, nil
}

// bodyDeadline bounds how long the next part of the body may take to come.
func (x *exchange) bodyDeadline(d time.Duration) {
	var at time.Time
	if d > 0 {
		at = time.Now().Add(d)
	}
	// A writer that cannot do it belongs to a server with limits of its own.
	_ = http.NewResponseController(x.w).SetReadDeadline(at)
}

// refuseBody answers a client whose body could not be read.
func (x *exchange) refuseBody(err error) error {
	var long *http.MaxBytesError
	switch {
	case errors.As(err, &long):
		x.refuse(x.s.refusedBody())
	case errors.Is(err, os.ErrDeadlineExceeded):
		x.refuse(refusedSlowBody)
	case x.q.http.Context().Err() != nil || errors.Is(err, io.ErrUnexpectedEOF):
		return errCut // the client left
	default:
		x.refuse(badRequest(errors.New("the request body is not framed as HTTP has it")))
	}
	return nil
}

// An upload hands the rest of a long body to the application, piece by piece,
// while its exchange waits for the response.
type upload struct {
	x       *exchange
	channel string
	failed  chan error // gets why the client is to blame, at most once
	ctx     context.Context
	cancel  context.CancelFunc
	done    chan struct{}
	left    atomic.Bool   // the exchange ended because the client did
	mu      sync.Mutex    // held to set the time limit of reading
	whole   chan struct{} // closed when the body was read to its end
}

func newUpload(x *exchange, channel string) *upload {
	u := &upload{x: x, channel: channel, failed: make(chan error, 1), done: make(chan struct{}), whole: make(chan struct{})}
	u.ctx, u.cancel = context.WithCancel(x.s.life)
	return u
}

// start begins to read. The response may begin before the body has ended.
func (u *upload) start() {
	_ = http.NewResponseController(u.x.w).EnableFullDuplex() // HTTP/2 always is
	u.x.progress.Store(time.Now().UnixNano())
	go u.run()
}

// stop ends the reading: the exchange is over, and with it the right to read.
// It gives net/http a moment to read what is left, so that a client that is
// still writing finds the response and not a broken connection.
func (u *upload) stop() {
	u.left.Store(u.x.q.http.Context().Err() != nil)
	u.cancel()
	select {
	case <-u.done:
		return
	default:
	}
	u.mu.Lock()
	cut := !u.isWhole()
	if cut {
		u.x.bodyDeadline(time.Nanosecond)
	}
	u.mu.Unlock()
	<-u.done
	if cut {
		u.x.bodyDeadline(time.Second)
	}
}

func (u *upload) isWhole() bool {
	select {
	case <-u.whole:
		return true
	default:
		return false
	}
}

// end notes that the body was read to its end, before the application hears of
// it: its answer may come at once, and the connection is to be kept.
func (u *upload) end() {
	u.mu.Lock()
	defer u.mu.Unlock()
	close(u.whole)
	u.x.bodyDeadline(Forever)
}

func (u *upload) run() {
	defer close(u.done)
	err := u.readAll()
	switch {
	case err == nil:
	case u.ctx.Err() == nil || u.left.Load():
		u.lost(err)
	}
}

// readAll hands over what comes until the body has ended.
func (u *upload) readAll() error {
	buf := make([]byte, bodyPiece)
	for {
		if err := u.goOn(); err != nil {
			return err
		}
		n, err := fill(u.x.q.http.Body, buf)
		last := err == io.EOF
		if last {
			u.end()
		}
		if n > 0 || last {
			if err := u.send(u.ctx, buf[:n], !last, false); err != nil {
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

// goOn gives the next piece its time, unless the exchange is over.
func (u *upload) goOn() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if err := u.ctx.Err(); err != nil {
		return err
	}
	u.x.bodyDeadline(u.x.s.opts.HTTPTimeout)
	return nil
}

// fill reads until buf is full. Unlike io.ReadFull it tells an end from a loss.
func fill(r io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		var m int
		m, err = r.Read(buf[n:])
		n += m
	}
	return n, err
}

// lost tells the application that no more will come, and the exchange why if
// the client did wrong.
func (u *upload) lost(err error) {
	var long *http.MaxBytesError
	if errors.As(err, &long) || errors.Is(err, os.ErrDeadlineExceeded) {
		u.failed <- err
	}
	u.x.s.conns.hold()
	go func() { // the exchange does not wait for room on the channel
		defer u.x.s.conns.leave()
		ctx, cancel := context.WithTimeout(u.x.s.life, u.x.s.set.Expiry)
		defer cancel()
		u.send(ctx, nil, false, true)
	}()
}

// send sends one piece and, where the channel is full, waits for its reader.
func (u *upload) send(ctx context.Context, content []byte, more, closed bool) error {
	m, err := asgi.NewMessage(
		asgi.Field{Key: "content", Value: asgi.Bytes(content)},
		asgi.Field{Key: "more_content", Value: more},
		asgi.Field{Key: "closed", Value: closed},
	)
	if err == nil {
		err = retry(ctx, func() error {
			return u.x.s.layer.Send(ctx, u.x.s.cause(), u.channel, m, asgi.Volatile)
		})
	}
	if err == nil {
		u.x.progress.Store(time.Now().UnixNano())
	} else if ctx.Err() == nil {
		u.x.s.log.Error("a piece of a request body could not be sent", keyChannel, u.channel, keyError, err)
	}
	return err
}

// retry calls send again and again while the channel is full.
func retry(ctx context.Context, send func() error) error {
	const shortest, longest = time.Millisecond, 50 * time.Millisecond
	for pause := shortest; ; pause = min(2*pause, longest) {
		err := send()
		if !errors.Is(err, asgi.ErrChannelFull) {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return err
		}
	}
}

// uploadFailed is ready when the client did wrong in the rest of its body.
func (x *exchange) uploadFailed() <-chan error {
	if x.upload == nil {
		return nil
	}
	return x.upload.failed
}

// tooLong ends an exchange whose body turned out too long or too slow. A
// response that has begun goes on.
func (x *exchange) tooLong(err error) (done bool, _ error) {
	if x.status != 0 {
		return false, nil
	}
	return true, x.refuseBody(err)
}

// closeIfUnread announces that the connection ends with this response, since
// its request may not have been read by then.
func (x *exchange) closeIfUnread(h http.Header) {
	if x.upload == nil || x.q.http.ProtoMajor != 1 {
		return
	}
	if !x.upload.isWhole() {
		h["Connection"] = []string{"close"}
	}
}
