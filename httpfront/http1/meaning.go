package http1

import (
	"math"
	"slices"
	"strings"
)

// A meaning is what the headers of a request say about the connection and the
// body.
type meaning struct {
	host       string
	hosts      int
	length     int64 // of Content-Length, or -1
	lengthText string
	chunked    bool
	coded      bool // there is Transfer-Encoding
	close      bool
	keepAlive  bool
	awaits100  bool
	unexpected bool // there is an expectation other than 100-continue
	upgrade    bool
}

// interpret returns the meaning of the headers. It removes repeated equal
// Content-Lengths (RFC 9112, section 6.3).
func (q *Request) interpret() (m meaning, _ *Error) {
	m.length = -1
	codings := 0
	kept := q.Headers[:0]
	for _, h := range q.Headers {
		switch h.Name {
		case "host":
			m.host = h.Value
			m.hosts++
		case "content-length":
			n, err := parseLength(h.Value)
			if err != nil {
				return m, err
			}
			switch {
			case m.length < 0:
				m.length, m.lengthText = n, h.Value
			case m.lengthText == h.Value:
				continue
			default:
				return m, bad("there are different Content-Length headers")
			}
		case "transfer-encoding":
			codings++
			m.coded, m.chunked = true, codings == 1 && strings.EqualFold(h.Value, "chunked")
		case "connection":
			for option := range strings.SplitSeq(h.Value, ",") {
				option = strings.Trim(option, " \t")
				m.close = m.close || strings.EqualFold(option, "close")
				m.keepAlive = m.keepAlive || strings.EqualFold(option, "keep-alive")
			}
		case "expect":
			for expectation := range strings.SplitSeq(h.Value, ",") {
				expectation = strings.Trim(expectation, " \t")
				is100 := strings.EqualFold(expectation, "100-continue")
				m.awaits100 = m.awaits100 || is100
				m.unexpected = m.unexpected || !is100 && expectation != ""
			}
		case "upgrade":
			m.upgrade = true
		}
		kept = append(kept, h)
	}
	q.Headers = kept
	return m, nil
}

// ParseLength parses a Content-Length.
func ParseLength(s string) (int64, error) {
	n, err := parseLength(s)
	if err != nil {
		return 0, err
	}
	return n, nil
}

// parseLength parses a Content-Length.
func parseLength(s string) (int64, *Error) {
	n := int64(0)
	for i := range len(s) {
		if !isDigit(s[i]) {
			return 0, bad("Content-Length is not a number")
		}
		d := int64(s[i] - '0')
		if n > (math.MaxInt64-d)/10 {
			return 0, bad("Content-Length is too large")
		}
		n = 10*n + d
	}
	if s == "" {
		return 0, bad("Content-Length is not a number")
	}
	return n, nil
}

// apply checks the meaning of the headers for the request and sets its other
// fields.
func (r *Reader) apply(m meaning) *Error {
	q := &r.req
	switch {
	case m.hosts > 1:
		return bad("there is more than one Host header")
	case m.hosts == 0 && q.Minor > 0:
		return bad("there is no Host header")
	case !validHost(m.host):
		return bad("the Host header is invalid")
	case m.coded && m.length >= 0:
		return bad("there are both Content-Length and Transfer-Encoding")
	case m.coded && q.Minor == 0:
		return bad("Transfer-Encoding is not allowed in HTTP/1.0")
	case m.coded && !m.chunked:
		return &Error{501, "this server supports no transfer coding other than chunked"}
	case m.unexpected:
		return &Error{417, "this server supports no expectation other than 100-continue"}
	}
	q.Length = max(m.length, 0)
	if m.chunked {
		q.Length = -1
	}
	q.Host = m.host
	q.Close = m.close || q.Minor == 0 && !m.keepAlive
	q.Continue = m.awaits100 && q.Minor > 0 && q.Length != 0
	q.Upgrade = m.upgrade
	if host, ok := authority(q.Target); ok {
		q.Host = host
		r.replaceHost(host)
	}
	r.body.start(q.Length)
	return nil
}

// replaceHost replaces the value of the Host header, or adds the header (RFC
// 9112, section 3.2.2).
func (r *Reader) replaceHost(host string) {
	q := &r.req
	r.head.saved = nil // Headers are no longer those that were sent
	q.Repeated = false
	i := slices.IndexFunc(q.Headers, func(h Header) bool { return h.Name == "host" })
	if i < 0 {
		q.Headers = slices.Insert(q.Headers, 0, Header{Name: "host"})
		i = 0
	}
	q.Headers[i].Value = host
}
