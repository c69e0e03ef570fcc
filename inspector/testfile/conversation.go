package testfile

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"asgibox/asgi"
)

// promptly is how soon after its cause a reply counts as immediate. A later one
// came after a delay, which a test has to wait for.
const promptly = time.Second

// maxInput is the longest body or message that a test sends, in bytes.
const maxInput = 4 << 10

// An input is a message from a client.
type input struct {
	Message
	at         int // its place among the messages
	connection *connection
	uses       []Use
}

// A reply is a message to a client.
type reply struct {
	Message
	at    int
	to    *connection
	cause *input
}

// A connection is a request or a WebSocket.
type connection struct {
	first   asgi.Message // http.request or websocket.connect
	socket  bool
	inputs  []*input
	replies []*reply
	joined  *connection // one with which it belongs to a conversation
	browser *browser
	name    string // of its variable, if it has one
}

// A recording is traffic by connection.
type recording struct {
	connections []*connection // in the order in which they began
	inputs      map[asgi.TraceID]*input
	names       *regexp.Regexp // matches the names that differ in each run
	skipped     []string
}

// read finds the connections. It leaves out those that began before the
// recording, and requests whose body came in parts.
func read(t Traffic) *recording {
	r := &recording{inputs: map[asgi.TraceID]*input{}}
	byReply := map[string]*connection{}
	late := 0
	for at, m := range t.Messages {
		if asgi.KindOf(m.Channel) == asgi.ProcessSpecific {
			if c := byReply[m.Channel]; c != nil {
				c.replies = append(c.replies, &reply{m, at, c, r.inputs[m.Trace]})
			}
			continue
		}
		name := m.Content.Text(asgi.KeyReplyChannel)
		c := byReply[name]
		switch m.Channel {
		case asgi.HTTPRequest, asgi.WebSocketConnect:
			c = &connection{first: m.Content, socket: m.Channel == asgi.WebSocketConnect}
			c.joined = c
			if m.Content.Text(asgi.KeyBodyChannel) != "" || len(m.Content.Octets(asgi.KeyBody)) > maxInput {
				r.skipped = append(r.skipped, fmt.Sprintf("%s is left out, because its body is longer than %d KiB", c.what(), maxInput>>10))
				continue
			}
			byReply[name] = c
			r.connections = append(r.connections, c)
		case asgi.HTTPDisconnect, asgi.WebSocketReceive, asgi.WebSocketDisconnect:
		default:
			continue // of another protocol
		}
		if c != nil && len(data(m.Content)) > maxInput {
			r.skipped = append(r.skipped, fmt.Sprintf("a message to %s is left out, because it is longer than %d KiB", c.what(), maxInput>>10))
			continue
		}
		if c == nil {
			if m.Channel == asgi.WebSocketReceive {
				late++
			}
			continue
		}
		in := &input{Message: m, at: at, connection: c}
		c.inputs = append(c.inputs, in)
		if r.inputs[m.Trace] == nil {
			r.inputs[m.Trace] = in
		}
	}
	if late > 0 {
		r.skipped = append(r.skipped, count(late, "message is", "messages are")+" left out, because the WebSocket was opened before")
	}
	for _, use := range t.Uses {
		if in := r.inputs[use.Trace]; in != nil {
			in.uses = append(in.uses, use)
		}
	}
	r.dropSilent()
	uncaused := 0
	for _, c := range r.connections {
		c.replies = slices.DeleteFunc(c.replies, func(reply *reply) bool {
			lost := reply.cause == nil || r.inputs[reply.Trace] == nil
			if lost {
				uncaused++
			}
			return lost
		})
	}
	if uncaused > 0 {
		r.skipped = append(r.skipped, fmt.Sprintf("%s left out, because no request or message in the recording caused them", count(uncaused, "reply is", "replies are")))
	}
	r.join(t.Uses)
	r.findBrowsers()
	r.findNames()
	return r
}

func count(n int, one, several string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, several)
}

// dropSilent leaves out WebSockets whose handshake got no reply.
func (r *recording) dropSilent() {
	r.connections = slices.DeleteFunc(r.connections, func(c *connection) bool {
		if !c.socket || c.handshake() != nil {
			return false
		}
		r.skipped = append(r.skipped, fmt.Sprintf("%s is left out, because its handshake got no reply", c.what()))
		for _, in := range c.inputs {
			if r.inputs[in.Trace] == in {
				delete(r.inputs, in.Trace)
			}
		}
		return true
	})
}

// what returns the connection's method and path.
func (c *connection) what() string {
	if c.socket {
		return "the WebSocket " + c.first.Text(asgi.KeyPath)
	}
	return c.first.Text(asgi.KeyMethod) + " " + c.first.Text(asgi.KeyPath)
}

// root returns the first connection of the conversation.
func (c *connection) root() *connection {
	for c.joined != c {
		c = c.joined
	}
	return c
}

// join joins connections of which one caused replies to the other, read state
// that the other wrote, or sent a UUID that the other received.
func (r *recording) join(uses []Use) {
	order := map[*connection]int{}
	for i, c := range r.connections {
		order[c] = i
	}
	join := func(a, b *connection) {
		if a, b = a.root(), b.root(); order[a] < order[b] {
			b.joined = a
		} else {
			a.joined = b
		}
	}
	for _, c := range r.connections {
		for _, reply := range c.replies {
			join(c, reply.cause.connection)
		}
	}
	type received struct {
		at int
		by *connection
	}
	first := map[string]received{} // by UUID
	for _, c := range r.connections {
		for _, reply := range c.replies {
			for _, id := range uuidsIn(reply.Content) {
				if f, found := first[id]; !found || reply.at < f.at {
					first[id] = received{reply.at, c}
				}
			}
		}
	}
	for _, c := range r.connections {
		for _, in := range c.inputs {
			for _, id := range uuidsIn(in.Content) {
				if f, found := first[id]; found && f.at < in.at {
					join(f.by, c)
				}
			}
		}
	}
	writer := map[string]*connection{}
	for _, use := range uses {
		in := r.inputs[use.Trace]
		if in == nil {
			continue
		}
		if w := writer[use.Key]; w != nil && use.Read {
			join(w, in.connection)
		}
		if !asgi.Equal(use.Before, use.After) {
			writer[use.Key] = in.connection
		}
	}
}

// A conversation is connections that depend on each other.
type conversation struct{ connections []*connection }

// conversations returns the conversations in the order in which they began.
func (r *recording) conversations() (list []*conversation) {
	byRoot := map[*connection]*conversation{}
	for _, c := range r.connections {
		k := byRoot[c.root()]
		if k == nil {
			k = &conversation{}
			byRoot[c.root()], list = k, append(list, k)
		}
		k.connections = append(k.connections, c)
	}
	kept := list[:0]
	for _, k := range list {
		if !k.cached() {
			kept = append(kept, k)
		}
	}
	return kept
}

// cached reports whether the conversation only confirms what a browser has in its
// cache.
func (k *conversation) cached() bool {
	c := k.connections[0]
	return len(k.connections) == 1 && !c.socket && len(c.replies) > 0 && c.replies[0].Content.Int(asgi.KeyStatus) == 304
}

// name returns the end of the name of the test.
func (k *conversation) name() string {
	c := k.connections[0]
	for _, other := range k.connections {
		if other.socket { // the most telling one
			c = other
			break
		}
	}
	parts := []string{}
	if !c.socket {
		parts = append(parts, strings.ToLower(identifier(c.first.Text(asgi.KeyMethod))))
	}
	for part := range strings.SplitSeq(c.first.Text(asgi.KeyPath), "/") {
		if name := strings.ToLower(identifier(part)); name != "" && !uuid.MatchString(part) && len(parts) < 4 {
			parts = append(parts, name)
		}
	}
	switch {
	case len(parts) == 0:
		return "websocket"
	case len(parts) == 1 && !c.socket:
		return parts[0] + "_root"
	}
	return strings.Join(parts, "_")
}

// identifier returns the letters, digits and underscores of a text, up to 20.
func identifier(text string) string {
	name := strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_':
			return c
		case c == '-', c == '.', c == ' ':
			return '_'
		}
		return -1
	}, text)
	return strings.Trim(name[:min(len(name), 20)], "_")
}
