package httpfront

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"
)

// ListenUnix listens on a Unix socket (--unix-socket). It replaces a socket
// file that a dead process left. It fails if another process listens on the
// socket or if the path is a file of another kind.
func ListenUnix(path string) (net.Listener, error) {
	if len(path) > maxUnixPath {
		return nil, fmt.Errorf("listen on Unix socket %s: the path has %d bytes, but the system allows %d; choose a shorter path",
			path, len(path), maxUnixPath)
	}
	if err := removeStale(path); err != nil {
		return nil, fmt.Errorf("listen on Unix socket %s: %w", path, err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen on Unix socket %s: %w", path, listenReason(err))
	}
	return l, nil
}

// maxUnixPath is the maximum length of the path of a Unix socket, without the
// zero byte at its end.
const maxUnixPath = len(syscall.RawSockaddrUnix{}.Path) - 1

// listenReason removes the address from an error, because our message has it.
func listenReason(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}

func removeStale(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return errors.New("the file exists and is not a socket; remove it or choose another path")
	}
	if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
		c.Close()
		return errors.New("another process is listening on it; stop it or choose another path")
	}
	return os.Remove(path)
}

// ListenFD returns the listener of an inherited file descriptor (--fd), which
// systemd and circus pass to the programs that they start.
func ListenFD(fd int) (net.Listener, error) {
	if fd < 0 {
		return nil, fmt.Errorf("listen on file descriptor %d: must not be negative", fd)
	}
	f := os.NewFile(uintptr(fd), fmt.Sprintf("fd %d", fd))
	if f == nil {
		return nil, fmt.Errorf("listen on file descriptor %d: invalid file descriptor", fd)
	}
	defer f.Close() // the listener has its own copy
	if !listens(f) {
		return nil, fmt.Errorf("listen on file descriptor %d: the socket does not listen; pass the descriptor of a socket after listen()", fd)
	}
	l, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("listen on file descriptor %d: not a listening socket: %w", fd, listenReason(err))
	}
	return l, nil
}
