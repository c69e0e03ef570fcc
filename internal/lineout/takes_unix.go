//go:build unix

package lineout

import "golang.org/x/sys/unix"

// takes reports whether a file takes a short line at once.
func takes(fd uintptr) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
	n, err := unix.Poll(fds, 0)
	return err == nil && n == 1 && fds[0].Revents == unix.POLLOUT
}
