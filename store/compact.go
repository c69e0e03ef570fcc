package store

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"

	bolt "go.etcd.io/bbolt"
)

const (
	// compactFrom is the length from which compacting is worth it, in bytes.
	compactFrom = 16 << 20
	// compactStep is what one transaction of the copying writes, in bytes.
	compactStep = 16 << 20
)

// worthCompacting reports whether most of the file is free. Pages are about
// half full at worst, so a file four times as long as what it holds has more
// free than used.
func worthCompacting(db *bolt.DB, c *contents) bool {
	var size int64
	if err := db.View(func(tx *bolt.Tx) error { size = tx.Size(); return nil }); err != nil {
		return false
	}
	return size >= compactFrom && 4*c.bytes < size
}

func compactPath(path string) string { return path + ".compact" }

// compact copies what the file holds to a new one beside it. Failing is no
// error: the file is as good as it was.
func compact(path string, from *bolt.DB, c *contents, log *slog.Logger) error {
	target := compactPath(path)
	if err := copyTo(target, from); err != nil {
		log.Warn("the store's file could not be compacted", "file", path, "error", err)
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
	to, err := bolt.Open(target, 0o644, &bolt.Options{Timeout: lockTimeout, NoSync: true, NoFreelistSync: true})
	if err != nil {
		return err
	}
	if err := bolt.Compact(to, from, compactStep); err != nil {
		return errors.Join(err, to.Close())
	}
	return errors.Join(to.Sync(), to.Close())
}

// swapIn puts the compacted file, if one was made, in the place of the old.
func (c *contents) replaceWithCompacted(path string, failed error) error {
	if !c.compacted || failed != nil {
		return nil
	}
	if err := os.Rename(compactPath(path), path); err != nil {
		return fmt.Errorf("the compacted store: %w", err)
	}
	c.txid = 0 // it is another now
	return nil
}
