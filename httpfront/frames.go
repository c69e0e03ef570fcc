package httpfront

import (
	"encoding/binary"
	"errors"
	"io"
	"math"
	"math/bits"
	"runtime"
	"unicode/utf8"

	"asgibox/asgi"
	"asgibox/httpfront/http1"
)

// inputSize is the size of the buffer for input that an open socket holds: a socket
// takes 1 KiB with it. Long payloads are not read into it.
const inputSize = 320

// A frameReader reads the messages of a WebSocket client (RFC 6455). It fails as
// soon as a byte shows an error, and must not be used after an error.
type frameReader struct {
	conn       io.Reader
	limit      int64                         // most bytes of a message; no limit if zero
	compressed bool                          // messages may be compressed (RFC 7692)
	heard      func(n int)                   // is called when n bytes of messages have arrived
	control    func(op byte, payload []byte) // is called for pings and pongs

	reads uint   // from conn
	buf   []byte // input that has not been parsed; a part of input, unless it came before the upgrade
	input [inputSize]byte

	// The current message and its current frame.
	op       byte      // text or binary
	packed   bool      // it is compressed
	inflater *inflater // decompresses it; nil until its first Read
	open     bool      // more frames of it follow
	size     uint64    // bytes that its frames have declared
	most     uint64    // bytes that they may declare
	left     uint64    // bytes left of the payload of the frame
	mask     uint32    // of the next bytes of the payload, the first in the lowest byte
}

const (
	bitFinal  = 0x80
	bitRSV1   = 0x40
	bitsRSV23 = 0x30
	bitMasked = 0x80

	maxControl = 125 // most bytes of a control frame
)

// A violation is an error of a client, with the code and the reason that its
// WebSocket is closed with.
type violation struct {
	code   int
	reason string
}

func (v *violation) Error() string { return "the client has violated the WebSocket protocol" }

var (
	errFrame   = &violation{code: asgi.CloseProtocolError}
	errTooLong = &violation{asgi.CloseTooLarge, "message too large"}
	errText    = &violation{asgi.CloseInvalidText, "text that is not UTF-8"}
	errReason  = &violation{code: asgi.CloseInvalidText} // of a close frame
)

// errLost is the error of a connection that ends without a close frame.
var errLost = errors.New("the connection has ended")

// A closedError is the payload of the close frame of a client.
type closedError string

func (e closedError) Error() string { return "the client has closed the WebSocket" }

func (e closedError) code() int {
	if e == "" {
		return asgi.CloseNoCode
	}
	return int(e[0])<<8 | int(e[1])
}

// next waits for the next message and returns its opcode. It drops the rest of the
// last message.
func (r *frameReader) next() (op byte, err error) {
	if r.left > 0 || r.open {
		if _, err := io.Copy(io.Discard, payload{r}); err != nil {
			return 0, err
		}
	}
	err = r.frame()
	return r.op, err
}

// Read reads the content of the message. It returns io.EOF at its end, with the
// last bytes if it can.
func (r *frameReader) Read(p []byte) (n int, err error) {
	if !r.packed {
		return payload{r}.Read(p)
	}
	if r.inflater == nil {
		r.inflater = newInflater(r)
	}
	if n, err = r.inflater.Read(p); err == io.EOF {
		r.inflater.free()
		r.inflater = nil
	}
	return n, err
}

// isComplete reports whether all bytes of the message have arrived.
func (r *frameReader) isComplete() bool { return !r.open && r.left <= uint64(len(r.buf)) }

// arrived takes the content of the message if it is one frame that has arrived
// completely, is not empty and not compressed. It is valid until the next call.
func (r *frameReader) arrived() []byte {
	n := r.left
	if n == 0 || r.packed || !r.isComplete() {
		return nil
	}
	b := r.buf[:n]
	r.buf, r.left = r.buf[n:], 0
	r.unmask(b)
	return b
}

// longest returns the most bytes that the content of a message may have: the length of
// its frame, if it is the only one and not compressed.
func (r *frameReader) longest() int64 {
	if r.open || r.packed {
		return math.MaxInt64
	}
	return int64(r.left)
}

// A payload reads the message as its frames have it.
type payload struct{ r *frameReader }

func (s payload) Read(p []byte) (n int, err error) {
	r := s.r
	for r.left == 0 {
		if !r.open {
			return 0, io.EOF
		}
		if err := r.frame(); err != nil {
			return 0, err
		}
	}
	if n, err = r.some(p); err == nil && r.left == 0 && !r.open {
		err = io.EOF
	}
	r.heard(n)
	return n, err
}

// frame reads up to the payload of the next frame of a message. It handles the
// control frames before it.
func (r *frameReader) frame() error {
	for {
		first, err := r.byte()
		if err != nil {
			return err
		}
		op := first & 0xf
		if !r.allowed(first, op) {
			return errFrame
		}
		second, err := r.byte()
		if err != nil {
			return err
		}
		length := uint64(second &^ bitMasked)
		if second&bitMasked == 0 || op >= opClose && length > maxControl || op == opClose && length == 1 {
			return errFrame
		}
		switch length {
		case 126:
			length, err = r.number(2)
		case 127:
			length, err = r.number(8)
		}
		switch {
		case err != nil:
			return err
		case length > math.MaxInt64:
			return errFrame
		case op < opClose:
			if err := r.start(first, op, length); err != nil {
				return err
			}
		}
		mask, err := r.number(4)
		if err != nil {
			return err
		}
		r.left, r.mask = length, bits.ReverseBytes32(uint32(mask))
		if op < opClose {
			return nil
		}
		if err := r.readControl(op); err != nil {
			return err
		}
	}
}

// allowed reports whether a frame may begin with the byte.
func (r *frameReader) allowed(first, op byte) bool {
	if first&bitsRSV23 != 0 {
		return false
	}
	switch op {
	case opText, opBinary:
		return !r.open && (first&bitRSV1 == 0 || r.compressed)
	case opContinuation:
		return r.open && first&bitRSV1 == 0
	case opClose, opPing, opPong:
		return first&bitFinal != 0 && first&bitRSV1 == 0
	}
	return false
}

// start starts a frame of a message.
func (r *frameReader) start(first, op byte, length uint64) error {
	if !r.open {
		r.op, r.size, r.most = op, 0, math.MaxUint64
		r.packed, r.inflater = first&bitRSV1 != 0, nil
		if r.limit > 0 {
			r.most = uint64(r.limit)
			if r.packed {
				r.most = 2*r.most + 1024 // a compressed message may be longer than its content
			}
		}
	}
	if length > r.most-r.size {
		return errTooLong
	}
	r.size += length
	r.open = first&bitFinal == 0
	return nil
}

// readControl handles a control frame.
func (r *frameReader) readControl(op byte) error {
	p := make([]byte, r.left)
	for n := 0; n < len(p); {
		m, err := r.some(p[n:])
		if err != nil {
			return err
		}
		n += m
	}
	closed := closedError(p)
	switch {
	case op != opClose:
		r.control(op, p)
		return nil
	case len(p) > 0 && !asgi.CanSendCloseCode(int64(closed.code())):
		return errFrame
	case len(p) > 0 && !utf8.Valid(p[2:]):
		return errReason
	}
	return closed
}

// number reads a number of n bytes.
func (r *frameReader) number(n int) (v uint64, err error) {
	for range n {
		b, err := r.byte()
		if err != nil {
			return 0, err
		}
		v = v<<8 | uint64(b)
	}
	return v, nil
}

func (r *frameReader) byte() (byte, error) {
	if len(r.buf) == 0 {
		if err := r.fill(); err != nil {
			return 0, err
		}
	}
	b := r.buf[0]
	r.buf = r.buf[1:]
	return b, nil
}

// some reads at least one byte of the payload of the frame, of which some is left.
func (r *frameReader) some(p []byte) (n int, err error) {
	p = p[:min(uint64(len(p)), r.left)]
	switch {
	case len(r.buf) > 0:
	case len(p) >= inputSize:
		n, err = r.receive(p)
	default:
		err = r.fill()
	}
	if err != nil {
		return 0, err
	}
	if n == 0 {
		n = copy(p, r.buf)
		r.buf = r.buf[n:]
	}
	r.left -= uint64(n)
	r.unmask(p[:n])
	return n, nil
}

// unmask removes the mask from the next bytes of the payload.
func (r *frameReader) unmask(p []byte) {
	for mask := uint64(r.mask)<<32 | uint64(r.mask); len(p) >= 8; p = p[8:] {
		binary.LittleEndian.PutUint64(p, binary.LittleEndian.Uint64(p)^mask)
	}
	for i := range p {
		p[i] ^= byte(r.mask)
		r.mask = bits.RotateLeft32(r.mask, -8)
	}
}

// fill reads into the empty buffer.
func (r *frameReader) fill() error {
	r.buf = nil // input that came before the upgrade is free now
	n, err := r.receive(r.input[:])
	r.buf = r.input[:n]
	return err
}

// receive reads at least one byte from the connection.
func (r *frameReader) receive(p []byte) (n int, err error) {
	if r.reads++; r.reads%http1.FairReads == 0 {
		runtime.Gosched()
	}
	for n == 0 && err == nil {
		n, err = r.conn.Read(p)
	}
	switch {
	case n > 0:
		return n, nil
	case err == io.EOF:
		err = errLost // io.EOF is the end of a message
	}
	return 0, err
}
