//go:build !windows

package store

import (
	"errors"
	"os"
	"syscall"
)

// tryLock takes the file's lock if nobody has it. It is free again when the
// file is closed or the process ends.
func tryLock(f *os.File) (ok bool, err error) {
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EINTR) {
		return false, nil
	}
	return err == nil, err
}
