//go:build !windows

package store

import (
	"errors"
	"os"
	"syscall"
)

// tryLock locks the file and reports whether it could. The lock is released
// when the file is closed or the process ends.
func tryLock(f *os.File) (ok bool, err error) {
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EINTR) {
		return false, nil
	}
	return err == nil, err
}
