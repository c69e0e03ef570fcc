package playback

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"

	"asgibox/asgi"
	"asgibox/asgi/codec"
	"asgibox/asgi/remote"
	"asgibox/inspector/api"
)

// MaxBytes is the longest recording that can be played, in bytes.
const MaxBytes = 64 << 20

// A message is one line of a recording.
type message struct {
	api.FullMessage
	content    asgi.Message
	connection *connection // nil until it is known
}

// isReply reports whether an application sent the message to a protocol server.
func (m *message) isReply() bool { return asgi.KindOf(m.Channel) == asgi.ProcessSpecific }

// A connection is a request or a WebSocket of a recording.
type connection struct {
	recorded string // its reply channel when it was recorded
	played   string // its reply channel now
	what     string // like GET /path
	path     string
	socket   bool
	complete bool // all messages from the client are in the recording
	inputs   int  // messages from the client
	ended    bool // the recording has its disconnect
	want     []asgi.Message

	expected int  // replies that were recorded so far
	overdue  bool // an expected reply did not come, so no reply is waited for
	got      []asgi.Message
	room     int  // bytes of further replies that got may hold
	gone     bool // it had no room for a reply, so it counts as ended
}

// Read reads a recording: a message in JSON on each line, as the command
// record writes them. If a message occurs several times, the first line counts.
func Read(r io.Reader) (*Recording, error) {
	p := &Recording{
		prefix:  "play." + strings.ToLower(rand.Text()[:10]) + "!",
		byName:  make(map[string]*connection),
		arrived: make(chan struct{}, 1),
		spare:   spareBytes,
	}
	seen := make(map[uint64]bool)
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, MaxBytes)
	for n := 1; lines.Scan(); n++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		m := &message{}
		line := lines.Bytes()
		p.Size += len(line)
		if n == 1 {
			line = bytes.TrimPrefix(line, []byte("\uFEFF")) // a byte order mark
		}
		err := json.Unmarshal(line, &m.FullMessage)
		if err == nil {
			m.content, err = codec.DecodeJSON(m.Content)
		}
		if err != nil {
			return nil, remote.Errorf(remote.BadRequest, "line %d of the recording: %v", n, err)
		}
		if !seen[m.ID] && m.Kind != "refused" {
			seen[m.ID] = true
			p.messages = append(p.messages, m)
		}
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, remote.Errorf(remote.MessageTooLarge, "the recording is longer than %d MiB", MaxBytes>>20)
	case err != nil:
		return nil, err
	}
	slices.SortStableFunc(p.messages, func(a, b *message) int { return cmp.Compare(a.ID, b.ID) })
	p.findConnections()
	return p, nil
}

// findConnections assigns each message to its connection. It leaves out
// connections that were recorded in part: WebSockets that were open before the
// recording or lack frames, and requests with a body in several messages.
func (p *Recording) findConnections() {
	byReply := make(map[string]*connection)
	for _, m := range p.messages {
		reply := m.Channel
		if !m.isReply() {
			reply = m.content.Text(asgi.KeyReplyChannel)
		}
		c := byReply[reply]
		if c == nil && !m.isReply() && asgi.KindOf(reply) == asgi.ProcessSpecific {
			c = p.newConnection(m, reply)
			byReply[reply] = c
		}
		if m.connection = c; c != nil {
			c.add(m)
		}
	}
	p.messages = slices.DeleteFunc(p.messages, func(m *message) bool { return m.connection == nil || !m.connection.complete })
	for _, c := range byReply {
		if !c.complete {
			p.result.Skipped++
		}
	}
	for _, m := range p.messages {
		if !m.isReply() {
			p.result.All++
		}
		if c := m.connection; p.byName[c.played] == nil {
			p.byName[c.played] = c
			p.connections = append(p.connections, c)
		}
	}
}

func (p *Recording) newConnection(m *message, reply string) *connection {
	c := &connection{
		recorded: reply, played: p.prefix + reply[strings.IndexByte(reply, '!')+1:],
		path: m.content.Text(asgi.KeyPath), socket: m.Channel == asgi.WebSocketConnect, complete: true, room: moreBytes,
	}
	c.what = m.content.Text(asgi.KeyMethod) + " " + c.path
	if c.socket {
		c.what = "WebSocket " + c.path
	}
	return c
}

// add adds the next message of the recording to the connection.
func (c *connection) add(m *message) {
	if m.isReply() {
		c.want = append(c.want, m.content)
		c.room += m.content.Footprint()
		return
	}
	switch m.Channel {
	case asgi.HTTPRequest:
		c.complete = c.complete && c.inputs == 0 && m.content.Text(asgi.KeyBodyChannel) == ""
	case asgi.HTTPDisconnect:
		c.complete = c.complete && c.inputs > 0
	case asgi.WebSocketConnect, asgi.WebSocketReceive, asgi.WebSocketDisconnect:
		c.complete = c.complete && c.socket && m.content.Int(asgi.KeyOrder) == int64(c.inputs)
		c.ended = m.Channel == asgi.WebSocketDisconnect
	default:
		c.complete = false // of another kind of protocol server
	}
	c.inputs++
}
