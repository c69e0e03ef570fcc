// Package wire reads and writes the frames of the layer over a socket.
// docs/layer-socket.md describes them byte for byte:
//
//	frame   = length head_length head *( segment_length segment )
//
// A length is a big-endian unsigned integer of 4 bytes: the number of bytes that
// follow it. The head is a JSON dict. The segments are the byte strings that the
// head names by their index.
package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"asgibox/asgi"
	"asgibox/asgi/codec"
	"asgibox/internal/budget"
)

// ErrBadFrame: the bytes are not a frame, the frame is too long, or its head is not
// a dict, or has a bad value and too many fields.
var ErrBadFrame = errors.New("bad frame")

// number is the length of the integers of a frame, in bytes.
const number = 4

// keptBuffer is the maximum size of a buffer that is kept for the next frame, in
// bytes.
const keptBuffer = 64 << 10

// joinedBytes is the size from which on frames are written without waiting for further
// ones, in bytes.
const joinedBytes = 256 << 10

// A Writer writes frames. Its methods may be called from any goroutine.
type Writer struct {
	to io.Writer

	mu       sync.Mutex // guards the rest, and a write
	buf      []byte     // frames that are not yet written
	segments codec.Segments
}

// NewWriter returns a writer of frames.
func NewWriter(to io.Writer) *Writer { return &Writer{to: to} }

// Write writes frames, if they are short with one call of the underlying writer. The
// values of the heads must be those that a message may hold.
func (w *Writer) Write(heads ...asgi.Fields) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, head := range heads {
		w.appendLocked(head)
		if len(w.buf) > joinedBytes {
			if err := w.flushLocked(); err != nil {
				return err
			}
		}
	}
	return w.flushLocked()
}

func (w *Writer) flushLocked() error {
	b := w.buf
	if len(b) == 0 {
		return nil
	}
	if w.buf = b[:0]; cap(b) > keptBuffer {
		w.buf = nil
	}
	_, err := w.to.Write(b)
	return err
}

func (w *Writer) appendLocked(head asgi.Fields) {
	start := len(w.buf)
	b := append(w.buf, 0, 0, 0, 0, 0, 0, 0, 0)
	b = w.segments.AppendFields(b, head)
	binary.BigEndian.PutUint32(b[start+number:], uint32(len(b)-start-2*number))
	for _, s := range w.segments.All {
		b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
		b = append(b, s...)
	}
	binary.BigEndian.PutUint32(b[start:], uint32(len(b)-start-number))
	w.segments.Reset()
	w.buf = b
}

// A Reader reads frames. It belongs to one goroutine at a time.
type Reader struct {
	from     io.Reader
	limit    int
	arrival  *budget.Arrival // nil before Allow
	turns    chan struct{}   // see Allow; may be nil
	stop     <-chan struct{} // ends a wait for memory or a turn
	buf      []byte
	start    int // of the bytes in buf that were read and not returned
	segments codec.Segments
}

// NewReader returns a reader of frames that are at most limit bytes long.
func NewReader(from io.Reader, limit int) *Reader { return &Reader{from: from, limit: limit} }

// Allow lets the following frames be limit bytes long. While one arrives that is longer
// than [budget.ConnBytes], its memory counts in the budget of the arrival. While Read
// decodes a head that is so long, whose values may need many times its memory, it holds an
// item of turns, unless turns is nil. Waits end when stop is closed.
func (r *Reader) Allow(limit int, a *budget.Arrival, turns chan struct{}, stop <-chan struct{}) {
	r.limit, r.arrival, r.turns, r.stop = limit, a, turns, stop
}

// Read returns the head of the next frame. It fails with [io.EOF] at the end, with
// [ErrBadFrame], with a [ValueError], or with the error of the underlying reader. After
// the last two, for example a timeout, Read can be called again: no byte is lost.
func (r *Reader) Read() (asgi.Fields, error) {
	head, err := r.next()
	if err != nil {
		return nil, err
	}
	defer r.segments.Reset() // the next frame may come much later
	if r.turns != nil && len(head) > budget.ConnBytes {
		select {
		case r.turns <- struct{}{}:
			defer func() { <-r.turns }()
		case <-r.stop:
			return nil, net.ErrClosed
		}
	}
	return r.Decode(head)
}

// ReadRaw is Read for a caller that decodes the head itself, or with Decode. The head
// and the segments are valid until the next call.
func (r *Reader) ReadRaw() (head []byte, segments []asgi.Bytes, err error) {
	head, err = r.next()
	return head, r.segments.All, err
}

// Decode decodes the head that ReadRaw has returned.
func (r *Reader) Decode(head []byte) (asgi.Fields, error) {
	fields, err := r.segments.DecodeFields(head)
	if err != nil {
		return nil, r.decodeBad(head, err)
	}
	return fields, nil
}

// next returns the head of the next frame, and sets the segments.
func (r *Reader) next() ([]byte, error) {
	if err := r.fill(number); err != nil {
		return nil, err
	}
	length := binary.BigEndian.Uint32(r.buf[r.start:])
	if uint64(length) > uint64(r.limit) {
		return nil, fmt.Errorf("%w: it is %d bytes long, the limit is %d", ErrBadFrame, length, r.limit)
	}
	err := r.fill(number + int(length))
	if r.arrival != nil && r.arrival.InBudget() {
		err = r.settle(err)
	}
	if err != nil {
		return nil, err
	}
	frame := r.buf[r.start+number : r.start+number+int(length)]
	head, err := r.parts(frame)
	r.start += number + int(length)
	if r.start == len(r.buf) {
		if r.buf, r.start = r.buf[:0], 0; cap(r.buf) > keptBuffer {
			r.buf = nil // the head stays valid
		}
	}
	return head, err
}

// settle gives the memory of a frame back to the budget, unless a timeout has interrupted
// the frame.
func (r *Reader) settle(err error) error {
	if r.arrival.IsRefused() {
		err = budget.ErrSilent
	}
	var timeout interface{ Timeout() bool }
	if !errors.As(err, &timeout) || !timeout.Timeout() {
		r.arrival.End()
	}
	return err
}

// fill reads until n bytes are in the buffer.
func (r *Reader) fill(n int) error {
	for len(r.buf)-r.start < n {
		if r.start > 0 && r.start+n > cap(r.buf) {
			r.buf = r.buf[:copy(r.buf, r.buf[r.start:])]
			r.start = 0
		}
		if len(r.buf) == cap(r.buf) {
			if err := r.grow(n); err != nil {
				return err
			}
		}
		got, err := r.read(r.buf[len(r.buf):cap(r.buf)])
		r.buf = r.buf[:len(r.buf)+got]
		switch {
		case got > 0:
		case err == io.EOF && len(r.buf) > r.start:
			return io.ErrUnexpectedEOF
		case err != nil:
			return err
		}
	}
	return nil
}

// grow makes the buffer longer, in which n bytes are wanted.
func (r *Reader) grow(n int) error {
	size := max(4<<10, 2*cap(r.buf))
	if size > budget.ConnBytes {
		if r.arrival != nil && !r.arrival.InBudget() {
			if err := r.arrival.Reserve(r.stop, int64(n), int64(n)); err != nil {
				return err
			}
		}
		size = max(n, min(size, keptBuffer))
	}
	grown := make([]byte, len(r.buf), size)
	copy(grown, r.buf)
	r.buf = grown
	return nil
}

func (r *Reader) read(b []byte) (int, error) {
	if r.arrival == nil {
		return r.from.Read(b)
	}
	return r.arrival.Read(r.from, b)
}

// parts returns the head of a frame, and sets the segments.
func (r *Reader) parts(frame []byte) ([]byte, error) {
	head, rest, err := cut(frame)
	r.segments.Reset()
	for len(rest) > 0 && err == nil {
		var s []byte
		s, rest, err = cut(rest)
		r.segments.All = append(r.segments.All, asgi.Bytes(s))
	}
	return head, err
}

// cut returns the bytes after a length, and the rest.
func cut(b []byte) (part, rest []byte, err error) {
	if len(b) < number {
		return nil, nil, fmt.Errorf("%w: it ends within a length", ErrBadFrame)
	}
	n := binary.BigEndian.Uint32(b)
	if b = b[number:]; uint64(n) > uint64(len(b)) {
		return nil, nil, fmt.Errorf("%w: a part is %d bytes long, but only %d follow", ErrBadFrame, n, len(b))
	}
	return b[:n], b[n:], nil
}
