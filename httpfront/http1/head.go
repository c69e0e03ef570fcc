package http1

import "bytes"

const (
	maxEmptyLines = 8       // before a request
	maxSaved      = 4 << 10 // most bytes of headers that are compared with those of the next request
	maxKept       = 64      // most headers whose memory is kept for the next request
)

// A head is the state of the head that is being read. Its positions count from
// the start of the head, which is the first unread byte.
type head struct {
	started    bool // the request line is parsed
	line, scan int  // the start of the current line, and where to look for its end
	empty      int  // empty lines before this head
	served     bool // it is not the first on the connection

	methodEnd, targetEnd int
	fieldsStart          int
	fields               []fieldSpan

	saved   []byte  // the header lines of the last request, as sent
	meaning meaning // of the saved headers
}

// A fieldSpan has the positions of a field's name and value.
type fieldSpan struct{ name, nameEnd, value, valueEnd int }

// Next reads the head of the next request. It returns io.EOF if the client has
// sent no further request, and io.ErrUnexpectedEOF if it has sent a part of one.
// With an [Error], the Request has the parts that were parsed before.
//
// The caller must have read the body of the last request.
func (r *Reader) Next() (*Request, error) {
	if r.err == nil && !r.BodyDone() {
		return nil, errUnread
	}
	for r.err == nil {
		done, refused := r.parse()
		switch {
		case refused != nil:
			r.err = refused
		case done:
			return &r.req, nil
		case r.err == nil:
			err := r.fill()
			if err == errNoMemory {
				r.err = r.refusePart(errNoMemory)
			} else if err != nil {
				if r.pos < r.end {
					err = unexpected(err)
				}
				return nil, err
			}
		}
	}
	return &r.req, r.err
}

// parse parses the lines that have arrived and reports whether the head is
// complete.
func (r *Reader) parse() (done bool, _ *Error) {
	h := &r.head
	if !h.started {
		r.skipEmptyLines()
	}
	for {
		input := r.buf[r.pos:r.end]
		n := bytes.IndexByte(input[h.scan:], '\n')
		if n < 0 {
			h.scan = len(input)
			if len(input) >= r.maxBuffer() {
				return false, r.refusePart(r.tooLong())
			}
			return false, nil
		}
		next := h.scan + n + 1
		line := bytes.TrimSuffix(input[h.line:next-1], []byte("\r"))
		switch {
		case !h.started:
			if !h.served && h.empty == 0 && string(input[:next]) == "PRI * HTTP/2.0\r\n" {
				r.err = ErrHTTP2
				return false, nil
			}
			if err := r.requestLine(line); err != nil {
				return false, r.refusePart(err)
			}
			h.started, h.fieldsStart = true, next
			if n := len(h.saved); n > 0 && bytes.HasPrefix(input[next:], h.saved) {
				return true, r.finish(next+n, true)
			}
		case len(line) == 0:
			return true, r.finish(next, false)
		default:
			f, err := parseField(line)
			if err != nil {
				return false, r.refusePart(err)
			}
			if len(h.fields) == r.limits.Lines {
				return false, r.refusePart(r.tooLong())
			}
			h.fields = append(h.fields, fieldSpan{h.line, h.line + f.nameEnd, h.line + f.value, h.line + f.valueEnd})
		}
		h.line, h.scan = next, next
	}
}

// skipEmptyLines removes empty lines before a request (RFC 9112, section 2.2).
func (r *Reader) skipEmptyLines() {
	for ; r.head.empty < maxEmptyLines; r.head.empty++ {
		input := r.buf[r.pos:r.end]
		switch {
		case bytes.HasPrefix(input, []byte("\r\n")):
			r.pos += 2
		case bytes.HasPrefix(input, []byte("\n")):
			r.pos++
		default:
			return
		}
		r.head.scan = 0
	}
}

// requestLine parses a request line.
func (r *Reader) requestLine(line []byte) *Error {
	h := &r.head
	r.req = Request{Minor: 1, Headers: r.req.Headers}
	method, rest, _ := bytes.Cut(line, []byte(" "))
	target, version, ok := bytes.Cut(rest, []byte(" "))
	switch {
	case !ok || len(target) == 0:
		return bad("the request line must consist of a method, a target and a version, with one space between them")
	case len(method) == 0 || !all(method, tokenChar):
		return bad("the request method is not a token")
	case len(version) != len("HTTP/1.1") || string(version[:5]) != "HTTP/" || version[6] != '.' || !isDigit(version[5]) || !isDigit(version[7]):
		return bad("the request line must end with a version like HTTP/1.1")
	case version[5] != '1':
		return &Error{505, "the version of the request is neither HTTP/1.0 nor HTTP/1.1"}
	}
	if version[7] == '0' {
		r.req.Minor = 0
	}
	h.methodEnd = len(method)
	h.targetEnd = len(method) + 1 + len(target)
	return checkTarget(string(method), target)
}

// parseField parses a header or trailer line. The positions that it returns count
// from the start of the line.
func parseField(line []byte) (f fieldSpan, _ *Error) {
	if line[0] == ' ' || line[0] == '\t' {
		return f, bad("a header line begins with a space or tab")
	}
	colon := bytes.IndexByte(line, ':')
	if colon < 0 {
		return f, bad("a header line has no colon")
	}
	if colon == 0 || !all(line[:colon], tokenChar) {
		return f, bad("the name of a header is not a token")
	}
	if !all(line[colon+1:], valueChar) {
		return f, bad("the value of a header contains a control character")
	}
	f = fieldSpan{0, colon, colon + 1, len(line)}
	for f.value < f.valueEnd && isSpace(line[f.value]) {
		f.value++
	}
	for f.valueEnd > f.value && isSpace(line[f.valueEnd-1]) {
		f.valueEnd--
	}
	return f, nil
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' }

// finish makes a Request of a complete head of n bytes.
func (r *Reader) finish(n int, repeated bool) *Error {
	h, q := &r.head, &r.req
	q.Repeated, q.Size = repeated, n
	if repeated {
		q.Method, q.Target = h.requestParts(string(r.buf[r.pos : r.pos+h.targetEnd]))
	} else {
		h.save(r.buf[r.pos+h.fieldsStart : r.pos+n])
		r.build(n)
	}
	if len(q.Target) > r.limits.Target || n > r.limits.Head {
		return r.tooLong()
	}
	if !repeated {
		var err *Error
		if h.meaning, err = q.interpret(); err != nil {
			return err
		}
	}
	if err := r.apply(h.meaning); err != nil {
		return err
	}
	r.pos += n
	h.reset()
	return nil
}

// reset prepares for the next head.
func (h *head) reset() {
	*h = head{served: true, fields: h.fields[:0], saved: h.saved, meaning: h.meaning}
	if cap(h.fields) > maxKept {
		h.fields = nil
	}
}

// save saves the header lines.
func (h *head) save(lines []byte) {
	if len(lines) > maxSaved {
		h.saved = nil
		return
	}
	h.saved = append(h.saved[:0], lines...)
}

// build sets the method, the target and the headers. All are parts of one string.
func (r *Reader) build(n int) {
	h, q := &r.head, &r.req
	input := r.buf[r.pos : r.pos+n]
	for _, f := range h.fields {
		for i := f.name; i < f.nameEnd; i++ {
			input[i] = lower(input[i])
		}
	}
	text := string(input)
	q.Method, q.Target = h.requestParts(text)
	if cap(q.Headers) > maxKept {
		q.Headers = nil
	}
	q.Headers = q.Headers[:0]
	for _, f := range h.fields {
		q.Headers = append(q.Headers, Header{text[f.name:f.nameEnd], text[f.value:f.valueEnd]})
	}
}

// refusePart makes a Request of the complete lines of a head that is refused.
func (r *Reader) refusePart(err *Error) *Error {
	if !r.head.started {
		r.req = Request{Minor: 1}
		return err
	}
	r.build(r.head.line)
	r.req.Size = r.head.line
	return err
}

// requestParts returns the method and the target of a head.
func (h *head) requestParts(text string) (method, target string) {
	return text[:h.methodEnd], text[h.methodEnd+1 : h.targetEnd]
}

// tooLong returns the error for a head over the limits.
func (r *Reader) tooLong() *Error {
	if r.head.started && r.head.targetEnd-r.head.methodEnd-1 > r.limits.Target {
		return &Error{414, "the request target is too long"}
	}
	return &Error{431, "the request headers are too long"}
}
