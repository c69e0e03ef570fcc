//go:build !windows

package e2e

import (
	"os"
	"syscall"
)

// dup returns a descriptor of the same file that no *os.File closes.
func dup(f *os.File) (int, error) { return syscall.Dup(int(f.Fd())) }
