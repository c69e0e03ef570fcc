package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/coder/websocket"
)

// dial opens a WebSocket.
func (p *program) dial(path string) *socket {
	p.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, _, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(p.url, "http")+path, nil)
	if err != nil {
		p.Fatalf("dial %s: %v; the program said:\n%s", path, err, p.out)
	}
	p.Cleanup(func() { c.CloseNow() })
	return &socket{p, c}
}

// socket is a test's end of a WebSocket.
type socket struct {
	p *program
	c *websocket.Conn
}

func (s *socket) send(text string) {
	s.p.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.c.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
		s.p.Fatal(err)
	}
}

func (s *socket) receive() string {
	s.p.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, b, err := s.c.Read(ctx)
	if err != nil {
		s.p.Fatalf("%v; the program said:\n%s", err, s.p.out)
	}
	return string(b)
}

// ask sends and answers what comes back.
func (s *socket) ask(text string) string {
	s.p.Helper()
	s.send(text)
	return s.receive()
}

// closed waits for the socket's end and answers its code.
func (s *socket) closed() websocket.StatusCode {
	s.p.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		if _, _, err := s.c.Read(ctx); err != nil {
			return websocket.CloseStatus(err)
		}
	}
}

// ask answers the body of a response, or how the request failed.
func ask(client *http.Client, url string) (string, error) {
	r, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err == nil && r.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", r.Status, body)
	}
	return string(body), err
}

// frame reads one frame.
func (s *socket) frame() (websocket.MessageType, string) {
	s.p.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	kind, data, err := s.c.Read(ctx)
	if err != nil {
		s.p.Fatal(err)
	}
	return kind, string(data)
}

// ending reads up to the end, and answers how it closed.
func (s *socket) ending() (code int, reason string) {
	s.p.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		if _, _, err := s.c.Read(ctx); err != nil {
			var end websocket.CloseError
			if !errors.As(err, &end) {
				s.p.Fatal(err)
			}
			return int(end.Code), end.Reason
		}
	}
}
