//go:build !windows

package e2e

import (
	"os"
	"syscall"
)

// dup answers a descriptor of the same file that no *os.File owns.
func dup(f *os.File) (int, error) { return syscall.Dup(int(f.Fd())) }
