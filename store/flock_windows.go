package store

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// tryLock locks the file and reports whether it could. The lock is released
// when the file is closed or the process ends. It locks a byte far behind the
// contents, because other processes cannot read locked bytes.
func tryLock(f *os.File) (ok bool, err error) {
	far := &windows.Overlapped{OffsetHigh: 1 << 30}
	err = windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, far)
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) || errors.Is(err, windows.ERROR_IO_PENDING) {
		return false, nil
	}
	return err == nil, err
}
