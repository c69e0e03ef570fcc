//go:build unix

package httpfront

import (
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
)

// TestInheritedFileDescriptor serves on an inherited socket.
func TestInheritedFileDescriptor(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f, err := tcp.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	fd, err := syscall.Dup(int(f.Fd())) // a descriptor that only ListenFD closes
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	tcp.Close()
	l, err := ListenFD(fd)
	if err != nil {
		t.Fatal(err)
	}
	b := &netServer{t: t}
	b.serve(Options{}, l)
	if _, body := b.get("http://"+b.addr+"/x", func(p *http.Protocols) { p.SetHTTP1(true) }, nil); body != "POST /x 1.1 http body" {
		t.Errorf("got %q", body)
	}
	for _, fd := range []int{-1, 1 << 20} {
		if _, err := ListenFD(fd); err == nil || !strings.Contains(err.Error(), "file descriptor") {
			t.Errorf("fd %d: %v", fd, err)
		}
	}
}
