package reload

import (
	"io/fs"
	"syscall"
	"time"
)

// changeTime returns the time of the last change of a file or its attributes,
// which no program can set.
func changeTime(info fs.FileInfo) time.Time {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return time.Unix(stat.Ctim.Unix())
	}
	return time.Time{}
}
