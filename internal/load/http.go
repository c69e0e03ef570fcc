package load

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// A Request is the request of an HTTP client.
type Request struct {
	Method string
	Header []string // lines without their ends
	Body   []byte
}

// HTTP returns a function that makes clients, which repeat the request.
func (s *Server) HTTP(r Request) func() Client {
	text := s.head(r.Method, r.Header)
	if len(r.Body) > 0 || r.Method == http.MethodPost || r.Method == http.MethodPut || r.Method == http.MethodPatch {
		text += fmt.Sprintf("Content-Length: %d\r\n", len(r.Body))
	}
	request := append([]byte(text+"\r\n"), r.Body...)
	return func() Client {
		return &httpClient{connection: connection{server: s}, request: request, noBody: r.Method == http.MethodHead}
	}
}

// httpClient repeats a request. It parses as little of the response as possible,
// to leave CPU time for the server.
type httpClient struct {
	connection
	request []byte
	noBody  bool // responses have no body
	started time.Time
}

func (c *httpClient) Connect(ctx context.Context) error {
	c.started = time.Now()
	return c.open(ctx)
}

// maxIdle is the time for which a server must keep an unused connection open. If a
// connection has ended that was unused for longer, the request is sent again.
const maxIdle = time.Second

func (c *httpClient) Do(ctx context.Context) (int, error) {
	last := c.started
	c.started = time.Now()
	idle := c.conn != nil && c.started.Sub(last) > maxIdle
	status, err := c.exchange(ctx)
	if idle && status == 0 && err != nil && KindOf(err) == Closed {
		status, err = c.exchange(ctx)
	}
	return status, c.explain(err)
}

// exchange sends the request and reads the response. After an error it returns the
// status only if one has arrived.
func (c *httpClient) exchange(ctx context.Context) (status int, err error) {
	if c.conn == nil {
		if err := c.open(ctx); err != nil {
			return 0, err
		}
	}
	keepAlive := false
	defer func() {
		if err != nil || !keepAlive {
			c.Close()
		}
	}()
	if err := c.conn.SetDeadline(c.started.Add(c.server.Timeout)); err != nil {
		return 0, err
	}
	_, failed := c.conn.Write(c.request)
	for status < 200 { // others are interim responses
		if status, keepAlive, err = c.response(); err != nil {
			if failed != nil && status == 0 {
				err = failed
			}
			return status, err
		}
	}
	keepAlive = keepAlive && failed == nil // the server has refused the body
	return status, nil
}

var (
	contentLength    = []byte("content-length")
	transferEncoding = []byte("transfer-encoding")
	connectionHeader = []byte("connection")
)

// response reads one response.
func (c *httpClient) response() (status int, keepAlive bool, err error) {
	status, keepAlive, err = c.status()
	length, chunked := int64(-1), false
	for err == nil {
		var line []byte
		if line, err = c.line(); err != nil {
			break
		}
		if len(line) <= 2 {
			keep, err := c.body(status, length, chunked)
			return status, keepAlive && keep, err
		}
		colon := bytes.IndexByte(line, ':')
		if colon < 0 {
			return status, false, invalid(fmt.Sprintf("a header has no colon: %.60q", line))
		}
		switch name := line[:colon]; {
		case bytes.EqualFold(name, contentLength):
			if length, err = strconv.ParseInt(string(bytes.TrimSpace(line[colon+1:])), 10, 64); err != nil || length < 0 {
				return status, false, invalid(fmt.Sprintf("a response has the length %.40q", line[colon+1:]))
			}
		case bytes.EqualFold(name, transferEncoding):
			chunked = true
		case bytes.EqualFold(name, connectionHeader) && bytes.EqualFold(bytes.TrimSpace(line[colon+1:]), []byte("close")):
			keepAlive = false
		}
	}
	if err == io.EOF && status != 0 {
		err = io.ErrUnexpectedEOF
	}
	return status, false, err
}

// body reads the body of a response. It reports whether the connection can be
// used after that.
func (c *httpClient) body(status int, length int64, chunked bool) (keep bool, err error) {
	switch {
	case c.noBody || status < 200 || status == http.StatusNoContent || status == http.StatusNotModified:
		return true, nil
	case chunked:
		return true, c.chunks()
	case length >= 0:
		return true, c.discard(length)
	}
	_, err = io.Copy(io.Discard, c.r)
	return false, err
}

func (c *httpClient) chunks() error {
	for {
		line, err := c.line()
		if err != nil {
			return err
		}
		size, _, _ := bytes.Cut(line, []byte(";"))
		n, err := strconv.ParseInt(string(bytes.TrimSpace(size)), 16, 64)
		if err != nil || n < 0 {
			return invalid(fmt.Sprintf("a chunk has the length %.40q", line))
		}
		if err := c.discard(n); err != nil {
			return err
		}
		// The end of the chunk, or the trailer, which ends with an empty line.
		for {
			if line, err = c.line(); err != nil {
				return err
			}
			if n > 0 || len(line) <= 2 {
				break
			}
		}
		if n == 0 {
			return nil
		}
	}
}

func (c *httpClient) discard(n int64) error {
	if n <= int64(c.r.Buffered()) {
		_, err := c.r.Discard(int(n))
		return err
	}
	_, err := io.CopyN(io.Discard, c.r, n)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}
