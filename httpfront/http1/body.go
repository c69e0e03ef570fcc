package http1

import (
	"bytes"
	"io"
	"math"
)

// The parts of a body.
type part uint8

const (
	partNone      part = iota // the body is complete
	partData                  // of a body with a length
	partChunkSize             // a line with a chunk size
	partChunk                 // the data of a chunk
	partChunkEnd              // the line end after the data
	partTrailer               // a trailer line
)

// maxOverhead is how many more bytes the framing of a chunked body may have than
// twice its data and 16 bytes for each chunk, as in net/http.
const maxOverhead = 16 << 10

// A body is the state of the body that is being read.
type body struct {
	part     part
	left     int64 // bytes left of the body or chunk
	overhead int64 // of the framing; see maxOverhead
	trailer  int   // bytes of the trailer
}

func (b *body) start(length int64) {
	switch {
	case length < 0:
		*b = body{part: partChunkSize}
	case length > 0:
		*b = body{part: partData, left: length}
	default:
		*b = body{}
	}
}

// BodyDone reports whether the body of the current request has been read to its
// end. After an [Error] it reports false, because the client may still send.
func (r *Reader) BodyDone() bool { return r.err == nil && r.body.part == partNone }

// Read reads the body of the current request. It returns io.EOF at its end, with
// the last bytes if it can, and io.ErrUnexpectedEOF if the connection ends
// before. It drops chunk extensions and trailers. Its errors are those of the
// connection and an [Error] for invalid framing.
func (r *Reader) Read(p []byte) (n int, err error) {
	for {
		switch part := r.body.part; {
		case r.err != nil:
			return n, r.err
		case part == partNone:
			return n, io.EOF
		case len(p) == n && (part == partData || part == partChunk):
			return n, nil
		case part == partData || part == partChunk:
			m, err := r.readData(p[n:], n == 0)
			n += m
			if m == 0 || err != nil {
				return n, err
			}
			continue
		}
		done, refused := r.parseFraming()
		switch {
		case refused != nil:
			r.err = refused
		case done:
		case n > 0:
			return n, nil
		default:
			if err := r.fill(); err != nil {
				return 0, unexpected(err)
			}
		}
	}
}

// readData reads bytes of the body. It reads from the connection only if wait is
// set.
func (r *Reader) readData(p []byte, wait bool) (n int, err error) {
	p = p[:min(int64(len(p)), r.body.left)]
	switch {
	case r.pos < r.end:
	case !wait:
		return 0, nil
	case len(p) >= bufferSize && r.pending == nil:
		n, err = r.readSome(p)
		if n > 0 {
			r.pending, err = err, nil
		}
	default:
		err = r.fill()
	}
	if err != nil {
		return 0, unexpected(err)
	}
	if n == 0 {
		n = copy(p, r.buf[r.pos:r.end])
		r.pos += n
	}
	if r.body.left -= int64(n); r.body.left == 0 {
		r.body.endData()
	}
	return n, nil
}

func (b *body) endData() {
	if b.part == partChunk {
		b.part = partChunkEnd
	} else {
		b.part = partNone
	}
}

// parseFraming parses one line of the chunked coding. It reports whether the line
// has arrived.
func (r *Reader) parseFraming() (done bool, _ *Error) {
	b := &r.body
	input := r.buf[r.pos:min(r.end, r.pos+bufferSize)]
	if b.part == partChunkEnd {
		if len(input) < 2 {
			return false, nil
		}
		if string(input[:2]) != "\r\n" {
			return false, bad("a chunk is longer than its size")
		}
		r.pos += 2
		b.part = partChunkSize
		return true, nil
	}
	n := bytes.IndexByte(input, '\n') + 1
	switch {
	case n == 0 && len(input) == bufferSize:
		return false, bad("a line of the chunked body is too long")
	case n == 0:
		return false, nil
	}
	line, ok := bytes.CutSuffix(input[:n], []byte("\r\n"))
	if !ok {
		return false, bad("a line of the chunked body ends without CR")
	}
	r.pos += n
	if b.part == partChunkSize {
		return true, b.startChunk(line)
	}
	return true, b.addTrailer(line)
}

// startChunk parses a line with a chunk size.
func (b *body) startChunk(line []byte) *Error {
	size, digits := int64(0), 0
	for ; digits < len(line); digits++ {
		d := hexDigit(line[digits])
		if d < 0 {
			break
		}
		if size > math.MaxInt64>>4 || digits == 16 {
			return bad("a chunk size is too large")
		}
		size = size<<4 | int64(d)
	}
	if digits == 0 {
		return bad("a chunk has no size")
	}
	if !validExtensions(line[digits:]) {
		return bad("a chunk size is followed by an invalid extension")
	}
	b.overhead = max(0, b.overhead+int64(len(line))+2-16-2*min(size, math.MaxInt64/4))
	if b.overhead > maxOverhead {
		return bad("the chunked body has too many small chunks or long extensions")
	}
	b.left, b.part = size, partChunk
	if size == 0 {
		b.part = partTrailer
	}
	return nil
}

// validExtensions reports whether s consists of chunk extensions (RFC 9112,
// section 7.1.1).
func validExtensions(s []byte) bool {
	for len(s) > 0 {
		s = bytes.TrimLeft(s, " \t")
		if len(s) == 0 || s[0] != ';' {
			return false
		}
		s = bytes.TrimLeft(s[1:], " \t")
		n := tokenLength(s)
		if n == 0 {
			return false
		}
		s = s[n:]
		value, ok := bytes.CutPrefix(bytes.TrimLeft(s, " \t"), []byte("="))
		if !ok {
			continue
		}
		value = bytes.TrimLeft(value, " \t")
		if n = tokenLength(value); n == 0 {
			n = quotedLength(value)
		}
		if n == 0 {
			return false
		}
		s = value[n:]
	}
	return true
}

// tokenLength returns the length of the token at the start of s.
func tokenLength(s []byte) int {
	n := 0
	for n < len(s) && classes[s[n]]&tokenChar != 0 {
		n++
	}
	return n
}

// quotedLength returns the length of the quoted string at the start of s, or 0.
func quotedLength(s []byte) int {
	if len(s) == 0 || s[0] != '"' {
		return 0
	}
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return i + 1
		case s[i] == '\\':
			i++
		}
		if i == len(s) || classes[s[i]]&valueChar == 0 {
			return 0
		}
	}
	return 0
}

// addTrailer checks a trailer line. An empty one ends the body.
func (b *body) addTrailer(line []byte) *Error {
	if len(line) == 0 {
		b.part = partNone
		return nil
	}
	if b.trailer += len(line) + 2; b.trailer > bufferSize {
		return bad("the trailer of the chunked body is too long")
	}
	_, err := parseField(line)
	return err
}
