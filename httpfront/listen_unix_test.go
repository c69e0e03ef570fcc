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

func TestDescriptorsThatDoNotListenAreErrors(t *testing.T) {
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(pair[1])
	bound, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	datagrams, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	for name, fd := range map[string]int{"connected": pair[0], "not listening": bound, "datagrams": datagrams} {
		if l, err := ListenFD(fd); err == nil || !strings.Contains(err.Error(), "does not listen") {
			t.Errorf("%s: %v, %v", name, l, err)
		}
	}
}

func TestTooLongUnixPathIsExplained(t *testing.T) {
	for n, want := range map[int]string{maxUnixPath + 1: "choose a shorter path", maxUnixPath: "no such file"} {
		path := "/nowhere/" + strings.Repeat("x", n-len("/nowhere/"))
		if _, err := ListenUnix(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%d bytes: %v", n, err)
		} else if strings.Count(err.Error(), path) != 1 {
			t.Errorf("the error repeats the path: %v", err)
		}
	}
}
