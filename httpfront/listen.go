package httpfront

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"time"
)

// ListenUnix listens on a Unix socket (--unix-socket). A socket file that a
// dead process left is replaced; one that somebody listens on, or a file of
// another kind, is an error.
func ListenUnix(path string) (net.Listener, error) {
	if err := removeStale(path); err != nil {
		return nil, fmt.Errorf("listening on the Unix socket %s: %w", path, err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("listening on the Unix socket %s: %w", path, err)
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
		return errors.New("there is a file of that name, which is no socket")
	}
	if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
		c.Close()
		return errors.New("another process listens there")
	}
	return os.Remove(path)
}

// ListenFD takes over a socket that listens already and was inherited as a
// file descriptor (--fd), as systemd and circus hand them down.
func ListenFD(fd int) (net.Listener, error) {
	if fd < 0 {
		return nil, fmt.Errorf("listening on file descriptor %d: there is none below 0", fd)
	}
	f := os.NewFile(uintptr(fd), fmt.Sprintf("fd %d", fd))
	if f == nil {
		return nil, fmt.Errorf("listening on file descriptor %d: it is not valid", fd)
	}
	defer f.Close() // the listener has a copy
	l, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("listening on file descriptor %d: is it a listening socket? %w", fd, err)
	}
	return l, nil
}
