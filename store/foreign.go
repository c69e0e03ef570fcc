package store

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"

	bolt "go.etcd.io/bbolt"
)

// A ForeignFileError says that a file at the store's path, or the .run file
// beside it, belongs to another program. The file was not changed.
type ForeignFileError struct{ Path, File string }

func (e *ForeignFileError) Error() string {
	return fmt.Sprintf("open store %s: %s is not a file of asgibox; move it away or pass another path with --store", e.Path, e.File)
}

// isRunInfo reports whether the content of a .run file is that of a store. A
// power cut may leave zeros.
func isRunInfo(content []byte) bool {
	return len(bytes.Trim(content, "\x00")) == 0 || hasRunInfo(content)
}

// hasRunInfo reports whether a content has the fields of a .run file and no others.
func hasRunInfo(content []byte) bool {
	var r runInfo
	d := json.NewDecoder(bytes.NewReader(content))
	d.DisallowUnknownFields()
	return d.Decode(&r) == nil && r.Pid > 0 && !r.Started.IsZero()
}

// isStore reports whether a damaged file was a store: a bbolt file whose buckets
// are those of a store or cannot be read.
func isStore(path string) bool {
	if !hasMagic(path) {
		return false
	}
	if checkFile(path) != nil {
		return true
	}
	names, err := bucketNames(path)
	return err != nil || !slices.ContainsFunc(allBuckets, func(name []byte) bool { return !slices.Contains(names, string(name)) })
}

// isCopy reports whether a file is a compacted copy of a store, complete or not.
// The buckets are copied in the order of their names.
func isCopy(path string) bool {
	info, err := os.Lstat(path)
	switch {
	case err != nil || !info.Mode().IsRegular():
		return false
	case info.Size() == 0:
		return true
	case !hasMagic(path):
		return false
	case checkFile(path) != nil:
		return true
	}
	names, err := bucketNames(path)
	if err != nil || len(names) > len(allBuckets) {
		return false
	}
	ours := slices.SortedFunc(slices.Values(allBuckets), bytes.Compare)[:len(names)]
	return slices.EqualFunc(ours, names, func(a []byte, b string) bool { return string(a) == b })
}

// hasMagic reports whether a file has the magic number of bbolt in one of its
// meta pages.
func hasMagic(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	return containsMagic(f)
}

func containsMagic(f io.ReaderAt) bool {
	return magicAt(f, 0) || slices.ContainsFunc(pageSizes, func(size int64) bool { return magicAt(f, size) })
}

func magicAt(f io.ReaderAt, page int64) bool {
	var b [4]byte
	_, err := f.ReadAt(b[:], page+metaOffset)
	return err == nil && binary.NativeEndian.Uint32(b[:]) == metaMagic
}

// bucketNames returns the names of the buckets of a bbolt file.
func bucketNames(path string) (names []string, err error) {
	defer recoverInto(&err)
	defer panicOnFault()()
	db, err := bolt.Open(path, fileMode, &bolt.Options{Timeout: lockTimeout, ReadOnly: true})
	if err != nil {
		return nil, err
	}
	defer db.Close()
	err = db.View(func(tx *bolt.Tx) error {
		return tx.ForEach(func(name []byte, _ *bolt.Bucket) error {
			names = append(names, string(name))
			return nil
		})
	})
	return names, err
}
