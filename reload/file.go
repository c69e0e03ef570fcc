package reload

import (
	"hash/maphash"
	"io"
	"io/fs"
	"os"
	"time"
)

// hashLimit is the size, in bytes, above which files are compared only by size
// and modification time.
const hashLimit = 16 << 20

// clockSlack is the coarsest resolution of a file system's clock. A file may
// change again within this time without a new modification time.
const clockSlack = 3 * time.Second

// file is the last known state of the file at one path.
type file struct {
	info       fs.FileInfo
	read       time.Time // when sum was computed
	sum        uint64
	unreported bool      // new, and not reported yet
	missing    time.Time // when it was first found missing; zero if it exists
	emptied    time.Time // when it was first found empty after it had content
}

// unchanged reports whether info alone shows that the content has not changed.
func (f *file) unchanged(info fs.FileInfo) bool {
	old := f.read.Add(-clockSlack)
	return f.info.Size() == info.Size() && f.info.ModTime().Equal(info.ModTime()) && changeTime(f.info).Equal(changeTime(info)) &&
		os.SameFile(f.info, info) && info.ModTime().Before(old) && changeTime(info).Before(old)
}

// sum hashes a file's content. Sums of different processes differ.
func sum(path string, info fs.FileInfo) (uint64, error) {
	var h maphash.Hash
	h.SetSeed(seed)
	if info.Size() > hashLimit {
		maphash.WriteComparable(&h, [2]int64{info.Size(), info.ModTime().UnixNano()})
		return h.Sum64(), nil
	}
	if info.Size() == 0 {
		return h.Sum64(), nil // a read could wait, as of some files below /proc
	}
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	_, err = io.Copy(&h, io.LimitReader(f, hashLimit))
	return h.Sum64(), err
}

var seed = maphash.MakeSeed()
