package testfile

import (
	"fmt"
	"strings"

	"asgibox/asgi"
	"asgibox/asgi/codec"
)

// A wait is a message that sockets receive.
type wait struct {
	sockets []string
	call    string // without the socket
	want    string
}

// connect opens a WebSocket.
func (w *writer) connect(s *step) {
	c := s.connection
	client := w.client(c)
	args := w.target(c)
	if protocols := header(c.first, "sec-websocket-protocol"); protocols != "" {
		var names []string
		for name := range strings.SplitSeq(protocols, ",") {
			names = append(names, quote(strings.TrimSpace(name)))
		}
		args += ", protocols=[" + strings.Join(names, ", ") + "]"
	}
	first := c.handshake().Content
	if refuses(first) {
		w.line("assert_in(%s, assert_fails(%s.websocket, %s))", quote(fmt.Sprint(refusal(first))), client, args)
		w.closed[c] = true
		return
	}
	c.name = w.variable(c.variable())
	w.line("%s = %s.websocket(%s)", c.name, client, args)
	if protocol := first.Text(asgi.KeySubprotocol); protocol != "" {
		w.line("assert_equal(%s.protocol, %s)", c.name, quote(protocol))
	}
}

// variable returns a name for the socket: the last part of its path if that is a
// name.
func (c *connection) variable() string {
	path := strings.Split(c.first.Text(asgi.KeyPath), "/")
	name := strings.ToLower(identifier(path[len(path)-1]))
	if len(path) < 3 || name == "" || name[0] < 'a' || name[0] > 'z' || keywords[name] {
		return "socket"
	}
	return name
}

var keywords = map[string]bool{
	"and": true, "break": true, "continue": true, "def": true, "elif": true, "else": true, "for": true, "if": true, "in": true,
	"lambda": true, "load": true, "not": true, "or": true, "pass": true, "return": true, "while": true,
	"as": true, "assert": true, "async": true, "await": true, "class": true, "del": true, "except": true, "finally": true,
	"from": true, "global": true, "import": true, "is": true, "nonlocal": true, "raise": true, "try": true, "with": true, "yield": true,
}

// handshake returns the reply that accepts or refuses the handshake.
func (c *connection) handshake() *reply {
	for _, r := range c.replies {
		accept, _ := r.Content.Get(asgi.KeyAccept)
		if accept != nil || closes(r.Content) || data(r.Content) != "" {
			return r
		}
	}
	return nil
}

// refuses reports whether the first reply of a WebSocket refuses the handshake.
func refuses(m asgi.Message) bool {
	accept, _ := m.Get(asgi.KeyAccept)
	return accept == false || accept != true && closes(m) && data(m) == ""
}

// refusal returns the status with which a handshake is refused.
func refusal(m asgi.Message) int64 {
	v, _ := m.Get(asgi.KeyResponse)
	if response, ok := v.(asgi.Dict); ok && response.Has(asgi.KeyStatus) {
		return response.Int(asgi.KeyStatus)
	}
	return 403
}

func closes(m asgi.Message) bool {
	v, _ := m.Get(asgi.KeyClose)
	return v != nil && v != false
}

// data returns the data of a frame.
func data(m asgi.Message) string { return m.Text(asgi.KeyText) + m.Octets(asgi.KeyBytes) }

// send sends a message of a WebSocket.
func (w *writer) send(s *step) {
	if w.closed[s.connection] {
		return
	}
	socket := s.connection.name
	v, _ := s.Content.Get(asgi.KeyText)
	text, ok := v.(string)
	if !ok {
		v, _ = s.Content.Get(asgi.KeyBytes)
		w.line("%s.send(%s)", socket, w.exact.flat(v))
		return
	}
	if v, ok := decodeJSON(text); ok && string(codec.AppendValueJSON(nil, v)) == text {
		start := socket + ".send_json("
		w.line("%s%s)", start, w.exact.literal(v, indent, indent+len(start)))
		return
	}
	w.line("%s.send(%s)", socket, w.exact.text(text))
}

// disconnect closes a WebSocket, unless the application did.
func (w *writer) disconnect(s *step) {
	c := s.connection
	if w.closed[c] {
		return
	}
	w.closed[c] = true
	switch code := s.Content.Int(asgi.KeyCode); {
	case code <= 1000, code >= 1004 && code <= 1006, code == 1015, code > 4999:
		w.line("%s.close()", c.name)
	default:
		w.line("%s.close(%d)", c.name, code)
	}
}

// frame receives a message of a WebSocket.
func (w *writer) frame(r *reply, c *connection) {
	if c.name == "" {
		return // refused
	}
	limit := timeout(r, 1)
	for _, key := range []string{asgi.KeyText, asgi.KeyBytes} {
		switch v, _ := r.Content.Get(key); v := v.(type) {
		case string:
			decoded, ok := decodeJSON(v)
			if ok && w.captures(decoded) {
				message := w.variable("message")
				w.line("%s = %s.receive_json(%s)", message, c.name, limit)
				start := "assert_equal(" + message + ", "
				w.line("%s%s)", start, w.masker.literal(decoded, indent, indent+len(start)))
				w.capture(decoded, message)
			} else if ok && len(v) <= 2*maxShown {
				w.receive(c, "receive_json("+limit+")", w.masker.literal(decoded, indent, indent+len("assert_equal(")+len(c.name)+len(".receive_json(), ")))
			} else {
				w.receive(c, "receive("+limit+")", w.masker.block(v, indent))
			}
		case asgi.Bytes:
			w.receive(c, "receive("+limit+")", w.bytes(v))
		}
	}
	if closes(r.Content) && !w.closed[c] {
		w.closed[c] = true
		code := r.Content.Int(asgi.KeyClose)
		if code == 0 {
			code = 1000
		}
		w.line("assert_equal(%s.closed_with, %d)", c.name, code)
	}
}

// receive waits for a message. Sockets that receive the same message share a
// line.
func (w *writer) receive(c *connection, call, want string) {
	if n := len(w.waits) - 1; n >= 0 && w.waits[n].call == call && w.waits[n].want == want {
		w.waits[n].sockets = append(w.waits[n].sockets, c.name)
		return
	}
	w.waits = append(w.waits, wait{[]string{c.name}, call, want})
}

// flush writes the waits.
func (w *writer) flush() {
	waits := w.waits
	w.waits = nil
	for _, wait := range waits {
		if len(wait.sockets) == 1 {
			w.line("assert_equal(%s.%s, %s)", wait.sockets[0], wait.call, wait.want)
			continue
		}
		w.line("for each in [%s]:", strings.Join(wait.sockets, ", "))
		w.line("    assert_equal(each.%s, %s)", wait.call, strings.ReplaceAll(wait.want, "\n", "\n    "))
	}
}
