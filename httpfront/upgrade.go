package httpfront

import (
	"crypto/sha1"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"

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
func (c *socket) upgrade(protocol string, headers []http1.Header) error {
	conn, early, err := c.t.hijack()
	if err != nil {
		return err
	}
	c.frames.conn, c.frames.buf = conn, early
	c.frames.limit, c.frames.control = int64(c.s.set.MaxMessage), c.onControl
	c.frames.compressed = c.s.opts.Compression && offersCompression(c.q.values("sec-websocket-extensions"))
	c.protocol = strings.Clone(protocol) // not the head of the request
	c.wire = &wire{Conn: conn, corked: true}
	c.wire.writeUpgrade(strings.TrimSpace(c.q.get("sec-websocket-key")), protocol, c.frames.compressed, headers)
	return nil
}

// offersCompression reports whether a client offers the extension
// permessage-deflate with parameters that the server can fulfil. The server
// compresses each message on its own and needs no parameter for decompression.
func offersCompression(extensions []string) bool {
	return slices.ContainsFunc(tokens(extensions), func(offer string) bool {
		name, params, _ := strings.Cut(offer, ";")
		if strings.TrimSpace(name) != "permessage-deflate" {
			return false
		}
		for p := range strings.SplitSeq(params, ";") {
			switch p = strings.TrimSpace(p); {
			case p == "", p == "client_no_context_takeover", p == "server_no_context_takeover",
				p == "client_max_window_bits", strings.HasPrefix(p, "client_max_window_bits="),
				p == "server_max_window_bits=15":
			default:
				return false
			}
		}
		return true
	})
}

// writeUpgrade gathers the 101 response, which comes before all frames. It drops
// those of the headers that belong to the handshake itself.
func (w *wire) writeUpgrade(key, protocol string, compressed bool, headers []http1.Header) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bufferLocked()
	b := append(*w.buf, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"...)
	b = http1.AppendField(b, "Sec-WebSocket-Accept", acceptKey(key))
	if protocol != "" {
		b = http1.AppendField(b, "Sec-WebSocket-Protocol", protocol)
	}
	if compressed {
		b = http1.AppendField(b, "Sec-WebSocket-Extensions", "permessage-deflate; client_no_context_takeover; server_no_context_takeover")
	}
	for _, h := range headers {
		if !isHandshakeHeader(h.Name) {
			b = http1.AppendField(b, h.Name, h.Value)
		}
	}
	*w.buf = append(b, "\r\n"...)
}

// isHandshakeHeader reports whether only the server may set a header of a response
// that accepts a handshake.
func isHandshakeHeader(name string) bool {
	name = strings.ToLower(name)
	return name == "connection" || name == "upgrade" || strings.HasPrefix(name, "sec-websocket-")
}

// acceptKey returns the Sec-WebSocket-Accept for a Sec-WebSocket-Key (RFC 6455,
// section 4.2.2).
func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}
