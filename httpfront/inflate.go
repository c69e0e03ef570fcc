package httpfront

import (
	"bufio"
	"compress/flate"
	"errors"
	"io"
	"strings"
	"sync"
)

// deflateTail ends the data of a compressed message: the four bytes that its sender
// has removed (RFC 7692, section 7.2.2) and an empty final block.
const deflateTail = "\x00\x00\xff\xff" + "\x01\x00\x00\xff\xff"

// inflaterSize is about the memory of an inflater, in bytes.
const inflaterSize = 44 << 10

// An inflater decompresses a message, which does not depend on others.
type inflater struct {
	in   *bufio.Reader
	out  io.ReadCloser
	tail *strings.Reader
}

var inflaters = sync.Pool{New: func() any {
	z := &inflater{in: bufio.NewReader(nil), tail: strings.NewReader("")}
	z.out = flate.NewReader(z.in)
	return z
}}

func newInflater(r *frameReader) *inflater {
	z := inflaters.Get().(*inflater)
	z.tail.Reset(deflateTail)
	z.in.Reset(io.MultiReader(payload{r}, z.tail))
	z.out.(flate.Resetter).Reset(z.in, nil) // cannot fail
	return z
}

// free allows the use for another message.
func (z *inflater) free() {
	z.in.Reset(nil)
	inflaters.Put(z)
}

// Read reads the content of the message and returns io.EOF at its end.
func (z *inflater) Read(p []byte) (n int, err error) {
	n, err = z.out.Read(p)
	var corrupt flate.CorruptInputError
	switch {
	case err == io.ErrUnexpectedEOF || errors.As(err, &corrupt):
		return n, errFrame
	case err != io.EOF:
		return n, err
	}
	// A sender may end its data with a final block and a byte of padding (RFC 7692,
	// section 7.2.3.4). Then the tail is left over.
	rest, err := io.Copy(io.Discard, z.in)
	switch rest -= int64(len(deflateTail)); {
	case err != nil:
		return n, err
	case rest == -int64(len(deflateTail)), rest == 0, rest == 1:
		return n, io.EOF
	}
	return n, errFrame
}
