//go:build !windows

package process

import (
	"errors"
	"net"
	"os"
	"path/filepath"
)

// maxSocketPath is the length of the longest path of a Unix socket that all systems
// allow, in bytes: sockaddr_un has 104 bytes on the BSDs and macOS, 108 on Linux.
const maxSocketPath = 103

var errLongPath = errors.New("the path of the folder for temporary files is too long for a socket; set TMPDIR to a shorter one")

// listen listens on a Unix socket that only this user can connect to. If it cannot use
// the path, it makes a private folder.
func listen(path string) (l net.Listener, address string, remove func(), err error) {
	if path != "" {
		if path, err = filepath.Abs(path); err != nil {
			return nil, "", nil, err
		}
	}
	if path != "" && len(path) <= maxSocketPath && !inUse(path) {
		_ = os.Remove(path) // left by a server that was killed
		if l, err = listenAt(path); err == nil {
			return l, path, func() { os.Remove(path) }, nil
		}
	}
	folder, err := os.MkdirTemp("", "asgibox-")
	if err != nil {
		return nil, "", nil, err
	}
	path = filepath.Join(folder, "layer.sock")
	if l, err = listenAt(path); err != nil {
		os.RemoveAll(folder)
		return nil, "", nil, err
	}
	return l, path, func() { os.RemoveAll(folder) }, nil
}

// inUse reports whether a server listens on the socket, or the path is no socket.
func inUse(path string) bool {
	if info, err := os.Lstat(path); err != nil || info.Mode()&os.ModeSocket == 0 {
		return err == nil
	}
	c, err := net.Dial("unix", path)
	if err == nil {
		c.Close()
	}
	return err == nil
}

// listenAt listens on a new socket with mode 0600. The socket gets its mode in a
// private folder, before it is at its path.
func listenAt(path string) (net.Listener, error) {
	folder, err := os.MkdirTemp(filepath.Dir(path), ".s")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	first := filepath.Join(folder, "s")
	if len(first) > maxSocketPath {
		return nil, errLongPath
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: first, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	if err = os.Chmod(first, 0o600); err == nil {
		err = os.Rename(first, path)
	}
	if err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}
