//go:build !windows

package userfile

import (
	"errors"
	"syscall"
)

// nonblock makes the opening of a named pipe fail if no process reads it, instead
// of waiting for one.
const nonblock = syscall.O_NONBLOCK

var errUnread = errors.New("it is a named pipe that no process reads, or a device that is not ready")

func isUnread(err error) bool { return errors.Is(err, syscall.ENXIO) }
