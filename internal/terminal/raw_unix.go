//go:build linux || darwin

package terminal

import (
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

// raw has the terminal hand over keys as they are pressed, and a read return
// after a tenth of a second without one.
func raw(f *os.File) (restore func(), err error) {
	fd := int(f.Fd())
	if group, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP); err == nil && group != unix.Getpgrp() {
		return nil, ErrNone // the terminal is another job's
	}
	// Should this become a background job, reading fails and does not stop
	// the whole process.
	signal.Ignore(unix.SIGTTIN, unix.SIGTTOU)
	old, err := unix.IoctlGetTermios(fd, getTermios)
	if err != nil {
		return nil, ErrNone
	}
	keys := *old
	keys.Lflag &^= unix.ICANON | unix.ECHO
	keys.Cc[unix.VMIN], keys.Cc[unix.VTIME] = 0, 1
	if err := unix.IoctlSetTermios(fd, setTermios, &keys); err != nil {
		return nil, err
	}
	return func() { _ = unix.IoctlSetTermios(fd, setTermios, old) }, nil
}
