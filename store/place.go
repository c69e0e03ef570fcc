package store

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	bolt "go.etcd.io/bbolt"

	"asgibox/internal/logkey"
)

// A place is the path of a file that is open. If the file is deleted or replaced,
// the process can still use it, but it ends when it is closed.
type place struct {
	path string
	file fs.FileInfo // nil if it is unknown
	log  *slog.Logger
	lost bool // the file is no longer at the path
}

func newPlace(path string, log *slog.Logger) place {
	info, _ := os.Stat(path) // without it, nothing is checked
	return place{path: path, file: info, log: log}
}

// check warns once if the file is no longer at its path.
func (p *place) check() {
	if p.lost || p.file == nil {
		return
	}
	now, err := os.Stat(p.path)
	switch {
	case err == nil && !os.SameFile(now, p.file):
		p.log.Warn("the store's file was replaced, but the server still uses the old one; move the new one away before the server stops, or the server's data are lost", logkey.File, p.path)
	case errors.Is(err, fs.ErrNotExist):
		p.log.Warn("the store's file was deleted; the server writes it again when it stops, so stop the server with Ctrl-C or SIGTERM to keep its data", logkey.File, p.path)
	default:
		return
	}
	p.lost = true
}

// restore writes the contents of a lost file to its path, unless there is another
// file.
func (p *place) restore(db *bolt.DB) error {
	if !p.lost {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(p.path), 0o755); err != nil {
		return fmt.Errorf("write the deleted store again: %w", err)
	}
	f, err := os.OpenFile(p.path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, fileMode)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("the store's file %s was replaced by another one; the data of this server are lost", p.path)
	}
	if err != nil {
		return fmt.Errorf("write the deleted store again: %w", err)
	}
	err = db.View(func(tx *bolt.Tx) error { _, err := tx.WriteTo(f); return err })
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write the deleted store again: %w", err)
	}
	p.log.Info("the deleted file of the store was written again", logkey.File, p.path)
	return nil
}
