package e2e

import (
	"context"
	"errors"
	"strings"

	"github.com/coder/websocket"
)

// socket is a test's end of a WebSocket.
type socket struct {
	p *program
	c *websocket.Conn
}

// dial opens a WebSocket to the application.
func (p *program) dial(path string) *socket {
	p.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, _, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(p.url, "http")+path, nil)
	if err != nil {
		p.Fatalf("dial %s: %v; the program's output:\n%s", path, err, p.out)
	}
	p.Cleanup(func() { c.CloseNow() })
	return &socket{p, c}
}

// send sends a text frame.
func (s *socket) send(text string) {
	s.p.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.c.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
		s.p.Fatal(err)
	}
}

// receive returns the content of the next frame.
func (s *socket) receive() string {
	s.p.Helper()
	_, content := s.receiveFrame()
	return content
}

// receiveFrame returns the next frame.
func (s *socket) receiveFrame() (kind websocket.MessageType, content string) {
	s.p.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	kind, b, err := s.c.Read(ctx)
	if err != nil {
		s.p.Fatalf("%v; the program's output:\n%s", err, s.p.out)
	}
	return kind, string(b)
}

// exchange sends a text and returns the content of the next frame.
func (s *socket) exchange(text string) string {
	s.p.Helper()
	s.send(text)
	return s.receive()
}

// waitClosed waits until the server closes the socket and returns its code and
// reason. The code is -1 if there was no close frame.
func (s *socket) waitClosed() websocket.CloseError {
	s.p.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		if _, _, err := s.c.Read(ctx); err != nil {
			end := websocket.CloseError{Code: -1, Reason: err.Error()}
			errors.As(err, &end)
			return end
		}
	}
}
