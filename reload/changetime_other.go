//go:build !linux && !darwin

package reload

import (
	"io/fs"
	"time"
)

// changeTime returns the zero time, because the time of the last change of a
// file is not known on this system.
func changeTime(fs.FileInfo) time.Time { return time.Time{} }
