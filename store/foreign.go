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
	var r runInfo
	return len(bytes.Trim(content, "\x00")) == 0 || json.Unmarshal(content, &r) == nil && r.Pid > 0
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
	db, err := bolt.Open(path, fileMode, &bolt.Options{Timeout: lockTimeout, ReadOnly: true})
	if err != nil {
		return true
	}
	defer db.Close()
	ours, err := hasBuckets(db)
	return ours || err != nil
}

// hasMagic reports whether a file has the magic number of bbolt in one of its
// meta pages.
func hasMagic(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	return magicAt(f, 0) || slices.ContainsFunc(pageSizes, func(size int64) bool { return magicAt(f, size) })
}

func magicAt(f io.ReaderAt, page int64) bool {
	var b [4]byte
	_, err := f.ReadAt(b[:], page+metaOffset)
	return err == nil && binary.NativeEndian.Uint32(b[:]) == metaMagic
}

// hasBuckets reports whether a file has all buckets of a store.
func hasBuckets(db *bolt.DB) (all bool, err error) {
	defer recoverInto(&err)
	defer panicOnFault()()
	err = db.View(func(tx *bolt.Tx) error {
		all = !slices.ContainsFunc(allBuckets, func(name []byte) bool { return tx.Bucket(name) == nil })
		return nil
	})
	return all, err
}
