package reload

import (
	"hash/maphash"
	"io"
	"io/fs"
	"os"
	"time"
)

// hashLimit is the size, in bytes, past which a file is compared by its size
// and time alone.
const hashLimit = 16 << 20

// racy is how coarse the clocks of file systems are at worst: a file that was
// written so shortly before we read it may change without its time changing.
const racy = 3 * time.Second

// file is what was last seen under one path.
type file struct {
	info    fs.FileInfo
	read    time.Time // when sum was taken
	sum     uint64
	fresh   bool      // nobody was told of it yet
	missing time.Time // since when it is gone; zero if it is there
	emptied time.Time // since when it is empty though it was not
}

// unchanged tells by the file's particulars alone, where they suffice.
func (f *file) unchanged(info fs.FileInfo) bool {
	return f.info.Size() == info.Size() && f.info.ModTime().Equal(info.ModTime()) &&
		os.SameFile(f.info, info) && info.ModTime().Before(f.read.Add(-racy))
}

// sum hashes a file's content. Two sums can be compared within one process.
func sum(path string, info fs.FileInfo) (uint64, error) {
	var h maphash.Hash
	h.SetSeed(seed)
	if info.Size() > hashLimit {
		maphash.WriteComparable(&h, [2]int64{info.Size(), info.ModTime().UnixNano()})
		return h.Sum64(), nil
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
