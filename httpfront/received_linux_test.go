package httpfront

import (
	"crypto/tls"
	"net"
	"testing"
	"time"
)

// TestWhatTheSystemKeepsIsUnread checks that bytes that the client has not received do
// not count as read.
func TestWhatTheSystemKeepsIsUnread(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	server.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
	for err == nil {
		_, err = server.Write(make([]byte, 64<<10))
	}
	if unread(server) == 0 {
		t.Error("everything counts as read, although a write waits for the client")
	}
	if unread(tls.Server(&handshakeConn{Conn: server}, nil)) == 0 {
		t.Error("everything counts as read over TLS")
	}
}
