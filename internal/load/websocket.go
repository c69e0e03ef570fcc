package load

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"time"
)

// A Socket is a client for a WebSocket. It implements the part of RFC 6455 that
// load needs: it sends one text, masked with zeros, and offers no extension.
type Socket struct {
	connection
	handshake []byte
	text      []byte
	frame     []byte // with the text
	message   []byte // the last received message
}

// Sockets returns a function that makes clients for WebSockets, which send the
// text. [Socket.Do] waits until the same text comes back.
func (s *Server) Sockets(header []string, text string) func() *Socket {
	handshake := []byte(s.head("GET", header) + "Connection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	frame := appendFrame(nil, opText, []byte(text))
	return func() *Socket {
		return &Socket{connection: connection{server: s}, handshake: handshake, text: []byte(text), frame: frame}
	}
}

// Echo returns a function that makes clients, which wait for the echo of a text.
func (s *Server) Echo(header []string, text string) func() Client {
	socket := s.Sockets(header, text)
	return func() Client { return socket() }
}

// Opcodes of RFC 6455.
const (
	opText  = 1
	opClose = 8
	opPing  = 9
	opPong  = 10
)

// maxMessage is the length limit for a received message.
const maxMessage = 64 << 20

// appendFrame appends a frame that is masked with zeros.
func appendFrame(b []byte, opcode byte, payload []byte) []byte {
	b = append(b, 0x80|opcode)
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	return append(append(b, 0, 0, 0, 0), payload...)
}

// Connect opens the WebSocket.
func (c *Socket) Connect(ctx context.Context) (err error) {
	if err := c.open(ctx); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			c.Close()
		}
	}()
	if err := c.setDeadline(); err != nil {
		return err
	}
	if _, err := c.conn.Write(c.handshake); err != nil {
		return err
	}
	status, _, err := c.status()
	if err != nil {
		return err
	}
	if status != 101 {
		return &opError{Handshake, fmt.Errorf("the server refused the WebSocket with status %d", status)}
	}
	for line := []byte("…"); len(line) > 2; {
		if line, err = c.line(); err != nil {
			return err
		}
	}
	return nil
}

func (c *Socket) setDeadline() error {
	return c.conn.SetDeadline(time.Now().Add(c.server.Timeout))
}

// Do sends the text and waits until it comes back. It ignores other messages.
func (c *Socket) Do(ctx context.Context) (_ int, err error) {
	if c.conn == nil {
		if err := c.Connect(ctx); err != nil {
			return 0, err
		}
	}
	defer func() {
		if err != nil {
			c.Close()
			err = c.explain(err)
		}
	}()
	if err := c.setDeadline(); err != nil {
		return 0, err
	}
	if err := c.send(); err != nil {
		return 0, err
	}
	var other []byte // a message that is not the echo
	for {
		if err := c.receive(); err != nil {
			if other != nil && KindOf(err) == Timeout {
				err = fmt.Errorf("the text did not come back, but other messages such as %.60q: %w", other, err)
			}
			return 0, err
		}
		if bytes.Equal(c.message, c.text) {
			return 0, nil
		}
		other = append(other[:0], c.message...)
	}
}

func (c *Socket) send() error {
	_, err := c.conn.Write(c.frame)
	return err
}

// receive reads the next message.
func (c *Socket) receive() error {
	c.message = c.message[:0]
	for {
		final, opcode, err := c.receiveFrame()
		switch {
		case err != nil:
			return err
		case opcode < opClose && final:
			return nil
		}
	}
}

// receiveFrame reads a frame. It appends the payload of a data frame to the
// message, and replies to a ping.
func (c *Socket) receiveFrame() (final bool, opcode byte, err error) {
	head, err := c.r.Peek(2)
	if err != nil {
		return false, 0, err
	}
	final, opcode = head[0]&0x80 != 0, head[0]&0x0f
	size, length := 2, uint64(head[1])
	switch {
	case head[0]&0x70 != 0 || length&0x80 != 0:
		return false, 0, invalid(fmt.Sprintf("a frame begins with the bytes % x", head))
	case length == 126:
		if head, err = c.r.Peek(4); err != nil {
			return false, 0, err
		}
		size, length = 4, uint64(binary.BigEndian.Uint16(head[2:]))
	case length == 127:
		if head, err = c.r.Peek(10); err != nil {
			return false, 0, err
		}
		size, length = 10, binary.BigEndian.Uint64(head[2:])
	}
	if length+uint64(len(c.message)) > maxMessage {
		return false, 0, invalid("a message is longer than 64 MiB")
	}
	if _, err := c.r.Discard(size); err != nil {
		return false, 0, err
	}
	start := len(c.message)
	c.message = append(c.message, make([]byte, length)...)
	if _, err := io.ReadFull(c.r, c.message[start:]); err != nil {
		return false, 0, err
	}
	if opcode < opClose {
		return final, opcode, nil
	}
	payload := c.message[start:]
	c.message = c.message[:start]
	switch opcode {
	case opClose:
		return false, 0, closeError(payload)
	case opPing:
		_, err = c.conn.Write(appendFrame(nil, opPong, payload))
	}
	return final, opcode, err
}

func closeError(payload []byte) error {
	if len(payload) < 2 {
		return &opError{Closed, fmt.Errorf("the server closed the WebSocket")}
	}
	return &opError{Closed, fmt.Errorf("the server closed the WebSocket with code %d %s", binary.BigEndian.Uint16(payload), payload[2:])}
}
