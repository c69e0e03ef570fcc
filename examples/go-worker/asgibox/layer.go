// Package asgibox connects a program to the channel layer of asgibox, over the
// socket that docs/layer-socket.md of asgibox describes. It needs only the
// standard library.
//
//	layer, err := asgibox.Dial(ctx)
//	…
//	for {
//		_, request, err := layer.Receive(ctx, "http.request")
//		if errors.Is(err, asgibox.ErrRetired) {
//			return nil
//		}
//		…
//		err = layer.Send(ctx, request.Text("reply_channel"), asgibox.Message{"status": 200, "content": "Hello World!"})
//	}
//
// All methods of a [Layer] may be called from several goroutines at once. If the
// connection ends, every call fails with an error that says why. A layer has no
// goroutine of its own: one of the callers that wait reads for all of them.
package asgibox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"time"
)

// An Error is an error that the server returns. Compare it with the variables
// below by [errors.Is].
type Error struct {
	Kind   string // like ChannelFull
	Detail string // for people
}

func (e *Error) Error() string { return "asgibox: " + e.Kind + ": " + e.Detail }

// Is reports whether target is an [*Error] of the same kind.
func (e *Error) Is(target error) bool {
	other, ok := target.(*Error)
	return ok && other.Kind == e.Kind
}

// The errors of the calls.
var (
	// ErrRetired: newer code has replaced this program, or the server stops.
	// Finish your work and exit with status 0.
	ErrRetired = &Error{Kind: "Retired"}
	// ErrChannelFull: the channel is full. Try again later.
	ErrChannelFull = &Error{Kind: "ChannelFull"}
	// ErrMessageTooLarge: the message is longer than the server allows.
	ErrMessageTooLarge = &Error{Kind: "MessageTooLarge"}
	// ErrInvalidName: the name is not valid for a channel or group, or for this call.
	ErrInvalidName = &Error{Kind: "InvalidName"}
	// ErrInvalidMessage: a value is not allowed in a message.
	ErrInvalidMessage = &Error{Kind: "InvalidMessage"}
	// ErrBadRequest: an argument is missing, unknown, or of a wrong type.
	ErrBadRequest = &Error{Kind: "BadRequest"}
	// ErrWrongType: the stored value has a type that the call does not work with.
	ErrWrongType = &Error{Kind: "WrongType"}
	// ErrNotFound: the call is unknown, or the layer lacks the extension for it.
	ErrNotFound = &Error{Kind: "NotFound"}
	// ErrStateFull: the values of the state take as much memory as they may.
	ErrStateFull = &Error{Kind: "StateFull"}
	// ErrTooManyNames: the receives that wait name too many channels together.
	ErrTooManyNames = &Error{Kind: "TooManyNames"}
	// ErrStoreFailed: the server cannot write to its disk.
	ErrStoreFailed = &Error{Kind: "StoreFailed"}
	// ErrGone: the connection that the reply channel belongs to has ended.
	ErrGone = &Error{Kind: "Gone"}
	// ErrCancelled: the handling of the message took too long.
	ErrCancelled = &Error{Kind: "Cancelled"}
	// ErrClosed: the server is shutting down.
	ErrClosed = &Error{Kind: "Closed"}
)

// overhead is the number of bytes by which a frame may be longer than the longest
// message.
const overhead = 64 << 10

// errLayerClosed is the error of calls after Close.
var errLayerClosed = errors.New("asgibox: the layer has been closed")

// A Layer is a connection to the channel layer. Close ends it.
type Layer struct {
	hello Message
	conn  net.Conn

	writing sync.Mutex    // held for each write of a frame
	reading chan struct{} // has an element while a caller reads
	in      frames        // belongs to the caller that reads

	mu    sync.Mutex // guards the fields below
	calls map[int64]chan answer
	last  int64 // number of the newest call
	err   error // why the connection ended, or nil
}

// An answer is the result of a call.
type answer struct {
	fields Message
	err    error
}

// Dial connects to the server that started this program, whose address and token
// are in the environment variables ASGIBOX_SOCKET and ASGIBOX_TOKEN.
func Dial(ctx context.Context) (*Layer, error) {
	address := os.Getenv("ASGIBOX_SOCKET")
	if address == "" {
		return nil, errors.New("asgibox: ASGIBOX_SOCKET is not set; start this program with asgibox run")
	}
	return DialAddress(ctx, address, os.Getenv("ASGIBOX_TOKEN"))
}

// DialAddress connects to the socket of a server. The address is a path, or
// "tcp:HOST:PORT". The token is empty if the server needs none.
func DialAddress(ctx context.Context, address, token string) (*Layer, error) {
	network := "unix"
	if rest, ok := strings.CutPrefix(address, "tcp:"); ok {
		network, address = "tcp", rest
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, fmt.Errorf("asgibox: connect to the server: %w", err)
	}
	l := &Layer{conn: conn, reading: make(chan struct{}, 1), in: frames{from: conn}, calls: map[int64]chan answer{}, last: -1}
	l.hello, err = l.Call(ctx, "hello", Message{"version": 1, "token": token, "pid": os.Getpid(), "agent": "asgibox-go"})
	if err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// Hello returns what the server said about itself: server, generation, worker,
// settings, expiry, group_expiry, capacity, max_message and extensions.
func (l *Layer) Hello() Message { return l.hello }

// Close ends the connection. Calls that wait fail.
func (l *Layer) Close() error {
	l.end(errLayerClosed)
	return nil
}

// Send sends a message to a channel. If the message replies to a connection that
// has ended, it is dropped or the error is [ErrGone].
func (l *Layer) Send(ctx context.Context, channel string, m Message) error {
	_, err := l.Call(ctx, "send", Message{"channel": channel, "message": m})
	return err
}

// Receive waits for a message on any of the channels. If ctx ends, it returns the
// error of ctx, or a message that the server had already assigned to it. The next
// call of Receive says that the last message has been handled.
func (l *Layer) Receive(ctx context.Context, channels ...string) (channel string, m Message, err error) {
	for ctx.Err() == nil {
		got, err := l.receive(ctx, channels)
		if channel := got.Text("channel"); channel != "" || err != nil {
			return channel, got.Dict("message"), err
		}
	}
	return "", nil, context.Cause(ctx)
}

func (l *Layer) receive(ctx context.Context, channels []string) (Message, error) {
	id, done, err := l.start("receive", Message{"channels": channels, "block": true})
	if err != nil {
		return nil, err
	}
	if got, ok := l.await(ctx, done); ok {
		return got.fields, got.err
	}
	// The server replies to this receive, too, perhaps with a message.
	if err := l.write(Message{"id": l.number(nil), "call": "cancel", "of": id}); err != nil {
		return nil, err
	}
	got, _ := l.await(context.WithoutCancel(ctx), done)
	return got.fields, got.err
}

// Poll is like Receive, but does not wait: the channel is empty if there is no
// message.
func (l *Layer) Poll(ctx context.Context, channels ...string) (channel string, m Message, err error) {
	got, err := l.Call(ctx, "receive", Message{"channels": channels})
	return got.Text("channel"), got.Dict("message"), err
}

// NewChannel returns an unused name of a channel. The pattern must end in "?".
func (l *Layer) NewChannel(ctx context.Context, pattern string) (string, error) {
	got, err := l.Call(ctx, "new_channel", Message{"pattern": pattern})
	return got.Text("channel"), err
}

// GroupAdd makes a channel a member of a group, or renews its membership.
func (l *Layer) GroupAdd(ctx context.Context, group, channel string) error {
	_, err := l.Call(ctx, "group_add", Message{"group": group, "channel": channel})
	return err
}

// GroupDiscard ends the membership of a channel, if it is a member.
func (l *Layer) GroupDiscard(ctx context.Context, group, channel string) error {
	_, err := l.Call(ctx, "group_discard", Message{"group": group, "channel": channel})
	return err
}

// GroupChannels returns the members of a group.
func (l *Layer) GroupChannels(ctx context.Context, group string) ([]string, error) {
	got, err := l.Call(ctx, "group_channels", Message{"group": group})
	var channels []string
	for _, c := range got.List("channels") {
		if name, ok := c.(string); ok {
			channels = append(channels, name)
		}
	}
	return channels, err
}

// SendGroup sends a message to all members of a group. It skips members that are full.
func (l *Layer) SendGroup(ctx context.Context, group string, m Message) error {
	_, err := l.Call(ctx, "send_group", Message{"group": group, "message": m})
	return err
}

// Call makes any call of the layer, such as state/incr or flush, and returns its
// result. If ctx ends first, the server may still make the call.
func (l *Layer) Call(ctx context.Context, name string, fields Message) (Message, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	id, done, err := l.start(name, fields)
	if err != nil {
		return nil, err
	}
	got, ok := l.await(ctx, done)
	if !ok {
		l.take(id)
		return nil, context.Cause(ctx)
	}
	return got.fields, got.err
}

// start sends a call. Its answer will be in done.
func (l *Layer) start(name string, fields Message) (id int64, done chan answer, err error) {
	head := Message{}
	for key, value := range fields {
		head[key] = value
	}
	done = make(chan answer, 1)
	id = l.number(done)
	head["id"], head["call"] = id, name
	frame, err := appendFrame(nil, head)
	if limit := l.hello.Int("max_message") + overhead; l.hello != nil && int64(len(frame)) > limit {
		err = &Error{"MessageTooLarge", fmt.Sprintf("a frame of %d bytes; the limit is %d (--max-message)", len(frame), limit)}
	}
	if err == nil {
		err = l.writeFrame(frame)
	}
	if err != nil {
		l.take(id)
	}
	return id, done, err
}

// number returns the number of a new call. If done is nil, nothing waits for the
// answer.
func (l *Layer) number(done chan answer) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last++
	switch {
	case done != nil && l.err != nil:
		done <- answer{err: l.err}
	case done != nil:
		l.calls[l.last] = done
	}
	return l.last
}

// take removes a call and returns where its answer goes, or nil.
func (l *Layer) take(id int64) chan answer {
	l.mu.Lock()
	defer l.mu.Unlock()
	done := l.calls[id]
	delete(l.calls, id)
	return done
}

// write sends a frame of the client itself.
func (l *Layer) write(head Message) error {
	frame, err := appendFrame(nil, head)
	if err != nil {
		return err
	}
	return l.writeFrame(frame)
}

// writeFrame sends a frame. It waits while the server does not read.
func (l *Layer) writeFrame(frame []byte) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	if _, err := l.conn.Write(frame); err != nil {
		return l.end(fmt.Errorf("asgibox: the connection to the server is lost: %w", err))
	}
	return nil
}

// await waits for the answer to a call. It reports false if ctx ends first.
func (l *Layer) await(ctx context.Context, done chan answer) (got answer, ok bool) {
	for {
		select {
		case got := <-done:
			return got, true
		case <-ctx.Done():
			return answer{}, false
		case l.reading <- struct{}{}:
			l.read(ctx, done)
			<-l.reading
		}
	}
}

// read reads and handles frames until the answer of a call is in done, ctx ends, or
// the connection does.
func (l *Layer) read(ctx context.Context, done chan answer) {
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		l.conn.SetReadDeadline(time.Unix(1, 0))
		close(interrupted)
	})
	for len(done) == 0 && ctx.Err() == nil {
		head, err := l.in.next()
		if err == nil {
			err = l.handle(head)
		}
		if errors.Is(err, io.EOF) {
			err = errors.New("asgibox: the server has ended the connection")
		}
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			l.end(err) // puts an error in done
		}
	}
	if !stop() {
		<-interrupted
		l.conn.SetReadDeadline(time.Time{})
	}
}

// handle handles a frame of the server: an answer, a ping, or a request to end,
// which the next Receive reports as ErrRetired.
func (l *Layer) handle(head Message) error {
	if n, ok := head["ping"]; ok {
		return l.write(Message{"pong": n})
	}
	var err error
	if kind := head.Text("error"); kind != "" {
		err = &Error{Kind: kind, Detail: head.Text("detail")}
	}
	id, ok := head["id"].(int64)
	if !ok {
		return err // an error without a number ends the connection
	}
	if done := l.take(id); done != nil {
		delete(head, "id")
		done <- answer{head, err}
	}
	return nil
}

// end closes the connection and fails all calls. It returns the first reason.
func (l *Layer) end(reason error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.err = reason
		l.conn.Close() // its error would say nothing new
	}
	for id, done := range l.calls {
		done <- answer{err: l.err}
		delete(l.calls, id)
	}
	return l.err
}
