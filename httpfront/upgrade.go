package httpfront

import (
	"bufio"
	"encoding/base64"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/coder/websocket"

	"asgibox/httpfront/http1"
)

// checkUpgrade checks a handshake before it is sent to the application.
func checkUpgrade(q *request) (refusal, bool) {
	fail := func(status int, what string, headers ...http1.Header) (refusal, bool) {
		return refusal{status: status, title: "This is not a WebSocket handshake", advice: what, headers: headers, closeConn: true}, false
	}
	keys := q.values("sec-websocket-key")
	versions := q.values("sec-websocket-version")
	switch {
	case q.method != http.MethodGet:
		return fail(http.StatusMethodNotAllowed, "A WebSocket handshake must use GET.", http1.Header{Name: "Allow", Value: "GET"})
	case q.version == "1.0":
		return fail(http.StatusBadRequest, "A WebSocket handshake must use HTTP/1.1.")
	case !hasToken(q.values("connection"), "upgrade"):
		return fail(http.StatusBadRequest, `The header "Connection: Upgrade" is missing. If there is a proxy, it must forward Upgrade and Connection.`)
	case len(versions) != 1 || strings.TrimSpace(versions[0]) != "13":
		return fail(http.StatusBadRequest, "Only version 13 of the protocol is used: Sec-WebSocket-Version: 13.", http1.Header{Name: "Sec-WebSocket-Version", Value: "13"})
	case len(keys) != 1 || !validKey(keys[0]):
		return fail(http.StatusBadRequest, "The request must have one Sec-WebSocket-Key: 16 bytes in base64.")
	case q.length != 0:
		return fail(http.StatusBadRequest, "A WebSocket handshake must not have a body.")
	case strings.IndexByte(q.uri, '#') >= 0:
		return fail(http.StatusBadRequest, "A WebSocket address must not have a fragment (#).")
	}
	offered := tokens(q.values("sec-websocket-protocol"))
	for i, name := range offered {
		if !http1.ValidName(name) || slices.Contains(offered[:i], name) {
			return fail(http.StatusBadRequest, "Sec-WebSocket-Protocol must be a list of different names.")
		}
	}
	return refusal{}, true
}

func validKey(s string) bool {
	b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(s))
	return err == nil && len(b) == 16
}

// selectProtocol returns the first sub-protocol offered by the client that the
// server supports.
func (s *Server) selectProtocol(offered []string) string {
	for _, name := range offered {
		if slices.Contains(s.opts.Protocols, name) {
			return name
		}
	}
	return ""
}

// tokens splits comma-separated header values.
func tokens(values []string) []string {
	var list []string
	for _, v := range values {
		for t := range strings.SplitSeq(v, ",") {
			if t = strings.TrimSpace(t); t != "" {
				list = append(list, t)
			}
		}
	}
	return list
}

func hasToken(values []string, token string) bool {
	return slices.ContainsFunc(tokens(values), func(t string) bool { return strings.EqualFold(t, token) })
}

// upgrade accepts a handshake. The 101 response stays on the corked wire until
// the first flush.
func (c *socket) upgrade(protocol string) error {
	conn, early, err := c.t.hijack()
	if err != nil {
		return err
	}
	c.wire = &wire{Conn: conn, early: early, corked: true}
	opts := &websocket.AcceptOptions{
		InsecureSkipVerify: true, // serveSocket has checked the origin
		OnPingReceived:     c.onPing,
		OnPongReceived:     c.onPong,
	}
	if c.s.opts.Compression {
		opts.CompressionMode = websocket.CompressionNoContextTakeover
	}
	r := c.handshakeRequest(protocol)
	if protocol != "" {
		opts.Subprotocols = []string{protocol}
	}
	w := &upgradeWriter{wire: c.wire, header: make(http.Header)}
	c.conn, err = websocket.Accept(w, r, opts)
	if err != nil {
		conn.Close()
		return err
	}
	c.wire.headers = frameHeaders{limit: int64(c.s.set.MaxMessage), compressed: w.header.Get("Sec-WebSocket-Extensions") != ""}
	c.conn.SetReadLimit(-1) // readMessage has its own limit
	return nil
}

// handshakeRequest returns the parts of the request that the WebSocket library
// needs.
func (c *socket) handshakeRequest(protocol string) *http.Request {
	h := http.Header{
		"Connection":            {"Upgrade"},
		"Upgrade":               {"websocket"},
		"Sec-Websocket-Version": {"13"},
		"Sec-Websocket-Key":     {strings.TrimSpace(c.q.get("sec-websocket-key"))},
	}
	if ext := c.q.values("sec-websocket-extensions"); ext != nil {
		h["Sec-Websocket-Extensions"] = ext
	}
	if protocol != "" {
		h["Sec-Websocket-Protocol"] = []string{protocol}
	}
	return &http.Request{Method: http.MethodGet, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: h}
}

// An upgradeWriter is the ResponseWriter of a handshake on a hijacked
// connection. Its buffers are small because a socket holds them as long as it
// lives.
type upgradeWriter struct {
	wire   *wire
	header http.Header
}

func (u *upgradeWriter) Header() http.Header { return u.header }

func (u *upgradeWriter) Write([]byte) (int, error) {
	return 0, errors.New("a WebSocket handshake has no body")
}

func (u *upgradeWriter) WriteHeader(status int) {
	if status == http.StatusSwitchingProtocols {
		u.wire.writeUpgrade(u.header)
	}
}

func (u *upgradeWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return u.wire, bufio.NewReadWriter(bufio.NewReaderSize(u.wire, 1024), bufio.NewWriterSize(u.wire, 512)), nil
}

// writeUpgrade gathers the 101 response, which comes before all frames.
func (w *wire) writeUpgrade(h http.Header) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.buf = buffers.Get().(*[]byte)
	b := append(*w.buf, "HTTP/1.1 101 Switching Protocols\r\n"...)
	for name, values := range h {
		b = append(append(append(append(b, name...), ": "...), values[0]...), "\r\n"...)
	}
	*w.buf = append(b, "\r\n"...)
}
