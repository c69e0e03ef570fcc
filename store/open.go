package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"asgibox/internal/logkey"
	"asgibox/internal/userfile"
)

// Open opens a store whose durable part is in the file at path. It creates the
// file and its folder if they do not exist. It fails with a [LockedError] if
// another process has the file open and with a [NewerFormatError] if the file
// has a newer format. A damaged file is logged and renamed, and a new one
// is created. Open does not change a file of another program: it fails with a
// [ForeignFileError]. The caller must close the store.
func Open(path string, o Options) (*Store, error) {
	return open(path, o, func(d disk) disk { return d })
}

// open is Open with a function that wraps the disk of the journal, for tests.
func open(path string, o Options, wrap func(disk) disk) (*Store, error) {
	s := newStore(o)
	s.path = path
	if path != "" && os.IsPathSeparator(path[len(path)-1]) {
		return nil, fmt.Errorf("open store %s: it ends in a slash, so it is a folder; pass the path of a file with --store", path)
	}
	if err := checkLinks(path); err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err == nil {
		err = userfile.Check(info)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		var failed *fs.PathError
		if errors.As(err, &failed) {
			err = failed.Err
		}
		return nil, fmt.Errorf("open store %s: %w; pass the path of a file with --store", path, err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("create the folder of the store: %w", err)
	}
	run, err := lockRun(path, s.epoch, s.log)
	if err != nil {
		return nil, err
	}
	file, err := openFile(path, s.opts, run.left, s.log)
	if err != nil {
		return nil, errors.Join(err, run.release())
	}
	if !run.ours {
		if err := run.claim(s.log); err != nil {
			return nil, errors.Join(err, file.db.Close())
		}
	}
	makePrivate(path, s.log)
	s.run = run
	s.db = file.db
	s.journal = newJournal(wrap(&boltDisk{db: file.db, place: newPlace(path, s.log)}), s.log, s.now, s.wakeBy)
	s.journal.setWatermark(onDisk)
	s.kv.journal = s.journal
	s.load(file.contents)
	go s.journal.run()
	s.start()
	return s, nil
}

// checkLinks returns an error if the path or a folder in it is a link to a file
// that does not exist. A new store there would hide that a disk is missing.
func checkLinks(path string) error {
	for at := filepath.Clean(path); ; at = filepath.Dir(at) {
		if target, err := os.Readlink(at); err == nil {
			if _, err := os.Stat(at); errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("open store %s: %s is a link to %s, which does not exist; remove the link or pass --store", path, at, target)
			}
		}
		if at == filepath.Dir(at) {
			return nil
		}
	}
}

// A file is a bbolt file that is open for writing, and its contents.
type file struct {
	db       *bolt.DB
	contents *contents
}

// openFile opens the file at path, or a new file if there is none or it is
// damaged. It does not replace a file that is not known to be a store and does
// not look like one.
func openFile(path string, o Options, known bool, log *slog.Logger) (*file, error) {
	f, err := openUndamaged(path, o, log)
	if !errors.Is(err, errDamaged) {
		return f, err
	}
	if !known && !o.Reserved && !isStore(path) {
		return nil, &ForeignFileError{path, path}
	}
	aside, moveErr := moveAside(path)
	if moveErr != nil {
		return nil, fmt.Errorf("open store %s: damaged (%w) and cannot be renamed: %w", path, err, moveErr)
	}
	makePrivate(aside, log)
	log.Warn("the store's file is damaged; it was renamed and a new one created", logkey.File, path, "renamed", aside, logkey.Error, err)
	return openUndamaged(path, o, log)
}

// openUndamaged opens the file at path, or a new file if there is none. It
// fails with errDamaged if the file is damaged.
func openUndamaged(path string, o Options, log *slog.Logger) (*file, error) {
	c, err := readContents(path, log)
	if err != nil {
		return nil, err
	}
	db, err := openForWriting(path, o)
	if err != nil {
		return nil, err
	}
	if err := prepare(db, c); err != nil {
		db.Close()
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	return &file{db, c}, nil
}

// openForWriting opens the file with bbolt, which reads all pages once more. If
// bbolt panics, the file stays open and locked, but it can still be renamed.
func openForWriting(path string, o Options) (db *bolt.DB, err error) {
	defer recoverInto(&err)
	defer panicOnFault()()
	db, err = bolt.Open(path, fileMode, &bolt.Options{
		Timeout:        lockTimeout,
		FreelistType:   bolt.FreelistMapType,
		NoFreelistSync: true, // the free list may be long, and the whole file is read at start anyway
		NoSync:         o.NoSync,
	})
	if err != nil {
		return nil, openError(path, err)
	}
	return db, nil
}

// readContents reads the file without opening it for writing, because bbolt
// must not write to a file that was not checked. An absent file is empty.
func readContents(path string, log *slog.Logger) (*contents, error) {
	c := newContents()
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0 {
		return c, nil
	}
	if err != nil {
		return nil, err
	}
	db, err := bolt.Open(path, fileMode, &bolt.Options{Timeout: lockTimeout, ReadOnly: true})
	if err != nil {
		return nil, openError(path, err)
	}
	if err = checkFile(path); err == nil {
		err = c.read(db)
	}
	var newer *NewerFormatError
	if errors.As(err, &newer) {
		newer.Path = path
	}
	if err == nil && worthCompacting(db, c) {
		err = compact(path, db, c, log)
	}
	return c, errors.Join(err, db.Close(), c.replaceWithCompacted(path, err))
}

func newContents() *contents {
	return &contents{fresh: true, txid: freshTx, taken: make(map[uint64]bool), copies: make(map[uint64]*copies)}
}

// prepare creates the buckets of a new file, and checks that an existing file
// has not changed after it was read.
func prepare(db *bolt.DB, c *contents) error {
	tx, err := db.Begin(true)
	if err != nil {
		return err
	}
	defer tx.Rollback() // after a commit it only returns an error
	if c.txid != 0 && tx.ID() != c.txid+1 {
		return errors.New("another process wrote to the file at the same time; try again")
	}
	if !c.fresh {
		return nil
	}
	for _, name := range allBuckets {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	if err := newWriter(tx, &arena{}).putFormat(); err != nil {
		return err
	}
	return tx.Commit()
}

// openError converts an error of bolt.Open. An error that is neither a time-out
// nor from the operating system means that the file is damaged.
func openError(path string, err error) error {
	var system *fs.PathError
	var number syscall.Errno
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return &LockedError{Path: path} // we hold the lock of the .run file, so the process is not asgibox
	case errors.As(err, &system), errors.As(err, &number):
		return fmt.Errorf("open store %s: %w", path, err)
	}
	return fmt.Errorf("%w: %w", errDamaged, err)
}

// damagedSuffix begins the rest of the name of a renamed file.
const damagedSuffix = ".damaged-"

// moveAside renames a damaged file to an unused name.
func moveAside(path string) (aside string, err error) {
	base := path + damagedSuffix + time.Now().Format("20060102-150405")
	aside = base
	for n := 2; ; n++ {
		if _, err := os.Lstat(aside); errors.Is(err, fs.ErrNotExist) {
			return aside, os.Rename(path, aside)
		}
		aside = fmt.Sprintf("%s-%d", base, n)
	}
}

// closeFile closes the journal and unlocks the file.
func (s *Store) closeFile(ctx context.Context) error {
	if s.journal == nil {
		return nil
	}
	return errors.Join(s.journal.close(ctx), s.run.release())
}
