package httpfront

import (
	"encoding/binary"
	"errors"
	"math"
)

// frameHeaders follows the frames that a client sends and finds the headers that are
// not allowed. It needs only the bytes of a header up to its error, so the
// socket can be closed at once; the WebSocket library would wait for more.
type frameHeaders struct {
	limit      int64 // most bytes of a message; no limit if zero
	compressed bool  // messages may be compressed

	head [10]byte // of the current frame, without its mask
	n    int      // number of bytes in head
	mask int      // bytes left of the mask
	left uint64   // bytes left of the payload
	data int      // bytes of messages in the last input
	open bool     // more fragments of the message follow
	size uint64   // bytes that the fragments of the message have declared
	most uint64   // most bytes that they may declare
	last bool     // the frame is a close frame
	err  error    // the error that was found
}

var errHeader = errors.New("a frame header is not allowed")

// scan parses input and returns the number of bytes before the end of the first
// header that is not allowed, and the error.
func (h *frameHeaders) scan(p []byte) (int, error) {
	h.data = 0
	for i := 0; i < len(p) && h.err == nil; {
		switch {
		case h.mask > 0:
			h.mask--
			i++
		case h.left > 0:
			n := min(h.left, uint64(len(p)-i))
			h.left -= n
			i += int(n)
			if !h.isControl() {
				h.data += int(n)
			}
		case h.last:
			return len(p), nil // input after a close frame is ignored
		default:
			h.head[h.n] = p[i]
			h.n++
			if h.err = h.check(); h.err != nil {
				return i, h.err
			}
			i++
		}
	}
	if h.err != nil {
		return 0, h.err
	}
	return len(p), nil
}

// check checks the header after each of its bytes.
func (h *frameHeaders) check() error {
	length := h.head[1] & 0x7f
	switch {
	case h.n == 1:
		return h.checkFirst()
	case h.n == 2 && (h.head[1] < 0x80 || h.isControl() && length > 125 || h.opcode() == opClose && length == 1):
		return errHeader
	case h.n == 2 && length < 126:
		return h.start(uint64(length))
	case h.n == 4 && length == 126:
		return h.start(uint64(binary.BigEndian.Uint16(h.head[2:])))
	case h.n == 10:
		return h.start(binary.BigEndian.Uint64(h.head[2:]))
	}
	return nil
}

const (
	bitFinal  = 0x80
	bitRSV1   = 0x40
	bitsRSV23 = 0x30
)

// checkFirst checks the byte with the flags and the opcode.
func (h *frameHeaders) checkFirst() error {
	first, op := h.head[0], h.opcode()
	starts := op == opText || op == opBinary
	switch {
	case first&bitsRSV23 != 0,
		first&bitRSV1 != 0 && !(h.compressed && starts),
		op != opContinuation && !starts && op != opClose && op != opPing && op != opPong,
		h.isControl() && first&bitFinal == 0,
		starts && h.open,
		op == opContinuation && !h.open:
		return errHeader
	}
	return nil
}

// start checks the length of a payload and expects the mask and the payload.
func (h *frameHeaders) start(length uint64) error {
	if length > math.MaxInt64 {
		return errHeader
	}
	h.n, h.mask, h.left = 0, 4, length
	h.last = h.opcode() == opClose
	if h.isControl() {
		return nil
	}
	if !h.open {
		h.size, h.most = 0, h.mostBytes()
	}
	h.open = h.head[0]&bitFinal == 0
	if length > h.most-h.size {
		return errTooLong
	}
	h.size += length
	return nil
}

// mostBytes returns the most bytes that the frames of a message may have. A
// compressed message may be longer than its content.
func (h *frameHeaders) mostBytes() uint64 {
	switch {
	case h.limit == 0:
		return math.MaxUint64
	case h.head[0]&bitRSV1 != 0:
		return 2*uint64(h.limit) + 1024
	}
	return uint64(h.limit)
}

func (h *frameHeaders) opcode() byte { return h.head[0] & 0xf }

func (h *frameHeaders) isControl() bool { return h.opcode() >= opClose }
