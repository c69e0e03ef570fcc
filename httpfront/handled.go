package httpfront

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"asgibox/httpfront/http1"
)

// A handled is a request that net/http has passed to ServeHTTP: over HTTP/2, or
// in another server.
type handled struct {
	w http.ResponseWriter
	r *http.Request

	extended time.Time    // when the write deadline was set; zero if there is none
	written  atomic.Int64 // bytes that were written, or are being written
}

// ServeHTTP serves one request or one WebSocket. It returns when the response
// is written or the WebSocket is open. Other goroutines serve an open
// WebSocket.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	t := &handled{w: w, r: r}
	q := &request{
		headerSet: s.newHeaderSet(headersOf(r), peerOf(r)), started: time.Now(),
		method: r.Method, uri: r.RequestURI, version: version(r), host: r.Host, length: r.ContentLength,
	}
	q.size = len(q.method+"  HTTP/1.1\r\n") + len(q.uri)
	for _, f := range q.fields {
		q.size += len(f.Name) + len(f.Value) + len(": \r\n")
	}
	var err error
	switch {
	case len(q.uri) > maxTarget:
		err = s.refuse(t, q, refusedTarget)
	case q.size > maxTarget, len(q.fields) > maxLines:
		err = s.refuse(t, q, refusedHeaders)
	default:
		if bad := checkHTTP2(r); bad != nil {
			err = s.refuse(t, q, badRequest(bad))
			break
		}
		err = s.serve(t, q)
	}
	if err != nil {
		panic(http.ErrAbortHandler) // net/http's way to close a connection
	}
}

// checkHTTP2 refuses requests that http1 refuses too. In HTTP/2, net/http leaves
// these checks to the handler (RFC 9113, sections 8.1.1, 8.2.1 and 8.3.1).
func checkHTTP2(r *http.Request) error {
	if r.ProtoMajor != 2 {
		return nil
	}
	differs := func(host string) bool { return !strings.EqualFold(host, r.Host) }
	if slices.ContainsFunc(r.Header["Host"], differs) {
		return errors.New("the Host header differs from :authority")
	}
	for _, v := range r.Header["Content-Length"] {
		switch n, err := http1.ParseLength(v); {
		case err != nil:
			return err
		case n != r.ContentLength: // zero if there is no body
			return errors.New("Content-Length differs from the length of the body, or there are several")
		}
	}
	for name, values := range r.Header {
		for _, v := range values {
			if strings.Trim(v, " \t") != v {
				return fmt.Errorf("the header %s begins or ends with a space or tab", strings.ToLower(name))
			}
		}
	}
	return http1.Check(r.Method, r.RequestURI, r.Host)
}

// version returns the HTTP version of a request in message form.
func version(r *http.Request) string {
	switch {
	case r.ProtoMajor == 2:
		return "2"
	case r.ProtoMajor == 1 && r.ProtoMinor == 0:
		return "1.0"
	}
	return "1.1"
}

// headersOf returns the headers of a request. net/http stores the order of
// values but not of names, so names are sorted. It removes Host and
// Transfer-Encoding from the headers, so headersOf adds them again.
func headersOf(r *http.Request) []http1.Header {
	list := make([]http1.Header, 0, len(r.Header)+2)
	if r.Host != "" {
		list = append(list, http1.Header{Name: "host", Value: r.Host})
	}
	if len(r.TransferEncoding) > 0 {
		list = append(list, http1.Header{Name: "transfer-encoding", Value: strings.Join(r.TransferEncoding, ", ")})
	}
	start := len(list)
	for name, values := range r.Header {
		if name = strings.ToLower(name); name == "host" {
			continue
		}
		for _, value := range values {
			list = append(list, http1.Header{Name: name, Value: value})
		}
	}
	slices.SortStableFunc(list[start:], func(a, b http1.Header) int { return strings.Compare(a.Name, b.Name) })
	return list
}

func (t *handled) context() context.Context { return t.r.Context() }

func (t *handled) control() *http.ResponseController { return http.NewResponseController(t.w) }

func (t *handled) duplex() { _ = t.control().EnableFullDuplex() } // HTTP/2 needs no call

func (t *handled) readBody(p []byte) (int, error) { return t.r.Body.Read(p) }

// A writer without deadlines belongs to a server with its own limits.
func (t *handled) readBy(at time.Time) { _ = t.control().SetReadDeadline(at) }

func (t *handled) interrupt() { t.readBy(time.Unix(1, 0)) }

func (t *handled) start(p head) {
	h := t.w.Header()
	for _, field := range p.headers {
		name := textproto.CanonicalMIMEHeaderKey(field.Name)
		h[name] = append(h[name], field.Value)
	}
	if _, typed := h["Content-Type"]; !typed {
		h["Content-Type"] = nil // stops net/http from guessing
	}
	delete(h, "Content-Length")
	if p.length >= 0 {
		h["Content-Length"] = []string{strconv.FormatInt(p.length, 10)}
	}
	if p.closeConn && t.r.ProtoMajor == 1 {
		h["Connection"] = []string{"close"}
	}
	t.w.WriteHeader(p.status)
}

func (t *handled) write(content string) error {
	for content != "" {
		n := min(len(content), writePiece)
		t.extend()
		t.written.Add(int64(n))
		if _, err := io.WriteString(t.w, content[:n]); err != nil {
			return err
		}
		content = content[n:]
	}
	return nil
}

// extend sets the write deadline of an HTTP/2 stream, as conn does for HTTP/1. In
// another server, HTTP/1 has the limits of that server.
func (t *handled) extend() {
	if now := time.Now(); t.r.ProtoMajor == 2 && now.Sub(t.extended) > writeTimeout/20 {
		t.extended = now
		_ = t.control().SetWriteDeadline(now.Add(writeTimeout))
	}
}

// flush removes the write deadline, because the application may write nothing for
// longer. net/http would end the stream.
func (t *handled) flush() error {
	if err := t.control().Flush(); err != nil && err != http.ErrNotSupported {
		return err
	}
	if !t.extended.IsZero() {
		t.extended = time.Time{}
		_ = t.control().SetWriteDeadline(time.Time{})
	}
	return nil
}

// finish does no more than extend: net/http finishes the response after ServeHTTP.
func (t *handled) finish() error {
	t.extend()
	return nil
}

func (t *handled) delivered() int64 { return t.written.Load() }

func (t *handled) abort() { _ = t.control().SetWriteDeadline(time.Unix(1, 0)) }

func (t *handled) watch(x watcher, _ time.Duration) { x.watching() }
func (t *handled) unwatch()                         {}

func (t *handled) left() <-chan struct{} { return t.r.Context().Done() }

// lost reports true over HTTP/2, where a client that has sent its request closes
// nothing but the whole stream.
func (t *handled) lost() bool { return t.r.ProtoMajor != 1 }

func (t *handled) hijack() (net.Conn, []byte, error) {
	conn, rw, err := t.control().Hijack()
	if err != nil {
		return nil, nil, err
	}
	early, err := rw.Reader.Peek(rw.Reader.Buffered())
	return conn, early, err
}

// push pushes a resource to the client if the connection supports it.
func (t *handled) push(p push) error {
	pusher, ok := t.w.(http.Pusher)
	if !ok {
		return nil
	}
	h := make(http.Header)
	for _, field := range p.headers {
		h.Add(field.Name, field.Value)
	}
	h.Del("Host")
	return pusher.Push(p.target, &http.PushOptions{Method: p.method, Header: h})
}
