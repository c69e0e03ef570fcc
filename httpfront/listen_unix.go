//go:build unix

package httpfront

import (
	"os"
	"syscall"
)

// listens reports whether a socket listens. It reports true if the file is not
// a socket or the system does not say.
func listens(f *os.File) bool {
	listening, err := syscall.GetsockoptInt(int(f.Fd()), syscall.SOL_SOCKET, syscall.SO_ACCEPTCONN)
	return err != nil || listening != 0
}
