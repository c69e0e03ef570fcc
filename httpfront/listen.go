package httpfront

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"time"
)

// ListenUnix listens on a Unix socket (--unix-socket). It replaces a socket
// file that a dead process left. It fails if another process listens on the
// socket or if the path is a file of another kind.
func ListenUnix(path string) (net.Listener, error) {
	if err := removeStale(path); err != nil {
		return nil, fmt.Errorf("listen on Unix socket %s: %w", path, err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen on Unix socket %s: %w", path, err)
	}
	return l, nil
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
	l, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("listen on file descriptor %d: not a listening socket: %w", fd, err)
	}
	return l, nil
}
