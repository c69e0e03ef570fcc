package store

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"

	bolt "go.etcd.io/bbolt"

	"asgibox/internal/logkey"
)

const (
	// compactFrom is the smallest size of a file that is compacted, in bytes.
	compactFrom = 16 << 20
	// compactStep is the size of one transaction of the copy, in bytes.
	compactStep = 16 << 20
)

// worthCompacting reports whether most of the file is free. Used pages are at
// least about half full, so a file four times as long as its contents has more
// free pages than used ones.
func worthCompacting(db *bolt.DB, c *contents) bool {
	var size int64
	if err := db.View(func(tx *bolt.Tx) error { size = tx.Size(); return nil }); err != nil {
		return false
	}
	return size >= compactFrom && 4*c.bytes < size
}

func compactPath(path string) string { return path + ".compact" }

// compact copies the contents of the file to a new file beside it. A failed
// copy is logged and is not an error, because the old file is unchanged.
func compact(path string, from *bolt.DB, c *contents, log *slog.Logger) error {
	target := compactPath(path)
	if _, err := os.Lstat(target); !errors.Is(err, fs.ErrNotExist) && !isCopy(target) {
		log.Warn("could not compact the store's file, because a file of another program is in the way; move it away", logkey.File, target)
		return nil
	}
	if err := copyTo(target, from); err != nil {
		log.Warn("could not compact the store's file", logkey.File, path, logkey.Error, err)
		if err := os.Remove(target); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	c.compacted = true
	return nil
}

func copyTo(target string, from *bolt.DB) (err error) {
	defer recoverInto(&err)
	if err := os.Remove(target); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	to, err := bolt.Open(target, fileMode, &bolt.Options{Timeout: lockTimeout, NoSync: true, NoFreelistSync: true})
	if err != nil {
		return err
	}
	if err := bolt.Compact(to, from, compactStep); err != nil {
		return errors.Join(err, to.Close())
	}
	return errors.Join(to.Sync(), to.Close())
}

// replaceWithCompacted renames the compacted file, if there is one, over the
// old file.
func (c *contents) replaceWithCompacted(path string, failed error) error {
	if !c.compacted || failed != nil {
		return nil
	}
	if err := os.Rename(compactPath(path), path); err != nil {
		return fmt.Errorf("replace the store by its compacted copy: %w", err)
	}
	c.txid = 0 // the copy counts its own transactions
	return nil
}
