package http1

import (
	"errors"
	"io"
	"runtime"
)

// bufferSize is the size of the buffer of a connection that waits for a request.
// It also limits a line of the chunked coding.
const bufferSize = 4 << 10

// ErrHTTP2 means that the client speaks HTTP/2: the connection starts with the
// first line of its preface. [Reader.Take] returns this line too.
var ErrHTTP2 = errors.New("the connection uses HTTP/2")

// usualBuffer is the longest buffer that does not count; see [Limits.Memory].
const usualBuffer = 8 << 10

var (
	errUnread = errors.New("http1: the body of the last request has not been read")
	errTaken  = errors.New("http1: the input has been taken")

	errNoMemory = &Error{503, "too many long heads are arriving"}
)

// slack is how much longer than its limit a head may be if it is read to its end,
// so that its Request is complete.
const slack = 16 << 10

// FairReads is after how many reads from a connection other goroutines run first. The
// reader of a client that sends without a pause would otherwise keep its processor for 10
// ms each time.
const FairReads = 16

// Limits are the limits of a head. A request with a longer target is refused with
// 414, and a longer head with 431.
type Limits struct {
	Target int // bytes of the request target
	Head   int // bytes of the request line and the headers
	Lines  int // header lines

	// Memory is called when the buffer for a head grows or shrinks by n bytes above
	// 8 KiB, and reports whether it may. A head that gets no memory is refused with
	// 503. All Readers with these Limits call it, each on its own goroutine. If it is
	// nil, there is enough memory.
	Memory func(n int) bool
}

// A Reader reads the requests of one connection. After an error of the
// connection, such as a time-out, the call that failed may be repeated and
// continues. After an [Error] all calls fail.
//
// Only one goroutine may use a Reader at a time.
type Reader struct {
	conn     io.Reader
	limits   Limits
	reads    uint // from conn
	buf      []byte
	pos, end int   // buf[pos:end] is unread
	counted  int   // see Limits.Memory
	pending  error // of conn, which came with input
	err      error // sticky

	head head
	body body
	req  Request
}

// NewReader returns a reader of the requests that conn sends.
func NewReader(conn io.Reader, limits Limits) *Reader {
	return &Reader{conn: conn, limits: limits}
}

// Buffered returns how many bytes have arrived that do not belong to a request
// that was read.
func (r *Reader) Buffered() int { return r.end - r.pos }

// Take returns these bytes. The caller owns them and reads the rest from the
// connection itself. The Reader can no longer be used.
func (r *Reader) Take() []byte {
	var rest []byte
	if r.pos < r.end {
		rest = r.buf[r.pos:r.end]
	}
	r.Close()
	*r = Reader{err: errTaken}
	return rest
}

// Close gives back the memory that the limits count. The Reader can no longer be
// used.
func (r *Reader) Close() { r.count(0) }

// Forget drops the last Request, so that its memory is free while the connection
// waits for the next one.
func (r *Reader) Forget() {
	r.req = Request{Minor: 1}
	r.head.saved, r.head.meaning = nil, meaning{}
}

// Wait returns when the first byte of the next request has arrived. It returns
// io.EOF if the client sends no further request. It skips empty lines.
func (r *Reader) Wait() error {
	if r.err == nil && !r.BodyDone() {
		return errUnread
	}
	for r.err == nil {
		if r.skipEmptyLines(); r.pos < r.end && string(r.buf[r.pos:r.end]) != "\r" {
			return nil
		}
		if err := r.fill(); err != nil {
			return err
		}
	}
	return r.err
}

// ReadAhead reads a part of the next requests, until the connection fails or the
// part has 4 KiB. It makes the connection notice that the client has left.
func (r *Reader) ReadAhead() error {
	for r.err == nil && r.Buffered() < bufferSize {
		if err := r.fill(); err != nil {
			return err
		}
	}
	return r.err
}

// fill reads once from the connection.
func (r *Reader) fill() error {
	if err := r.pending; err != nil {
		r.pending = nil
		return err
	}
	if !r.makeRoom() {
		return errNoMemory
	}
	n, err := r.readSome(r.buf[r.end:])
	r.end += n
	if n > 0 {
		r.pending, err = err, nil
	}
	return err
}

// makeRoom makes room behind the unread bytes. Without unread bytes, it replaces
// a buffer that has grown. It reports false if the buffer may not grow.
func (r *Reader) makeRoom() bool {
	switch {
	case r.pos == r.end && len(r.buf) != bufferSize:
		r.count(bufferSize)
		r.buf, r.pos, r.end = make([]byte, bufferSize), 0, 0
	case r.pos > 0 && (r.pos == r.end || r.end == len(r.buf)):
		r.end = copy(r.buf, r.buf[r.pos:r.end])
		r.pos = 0
	case r.end == len(r.buf):
		size := min(2*len(r.buf), r.maxBuffer())
		if !r.count(size) {
			return false
		}
		grown := make([]byte, size)
		copy(grown, r.buf)
		r.buf = grown
	}
	return true
}

// count counts the memory of a buffer of size bytes in place of the current one.
// It reports false if there is not enough.
func (r *Reader) count(size int) bool {
	more := max(0, size-usualBuffer) - r.counted
	if more == 0 || r.limits.Memory == nil {
		return true
	}
	if !r.limits.Memory(more) {
		return false
	}
	r.counted += more
	return true
}

// maxBuffer returns the most bytes of a head that are read before its end.
func (r *Reader) maxBuffer() int { return r.limits.Head + slack }

// readSome reads at least one byte or fails.
func (r *Reader) readSome(p []byte) (int, error) {
	if r.reads++; r.reads%FairReads == 0 {
		runtime.Gosched()
	}
	for range 100 {
		if n, err := r.conn.Read(p); n > 0 || err != nil {
			return n, err
		}
	}
	return 0, io.ErrNoProgress
}

// unexpected returns the error for a connection that ends within a request.
func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
