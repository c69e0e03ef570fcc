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
)

// Open makes a store that keeps its durable part in the file at path, which it
// creates, with its folder, if need be. A file that another process has open
// is a [LockedError]; one of a newer format is a [NewerFormatError]; a damaged
// one is moved aside, logged, and a clean one started. Close it.
func Open(path string, o Options) (*Store, error) {
	return open(path, o, func(d disk) disk { return d })
}

// open is Open with a seam between the journal and the file.
func open(path string, o Options, seam func(disk) disk) (*Store, error) {
	s := newStore(o)
	s.path = path
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("the store's folder: %w", err)
	}
	run, err := lockRun(path, s.epoch)
	if err != nil {
		return nil, err
	}
	file, err := openFile(path, s.opts, s.log)
	if err != nil {
		return nil, errors.Join(err, run.release())
	}
	s.run = run
	s.db = file.db
	s.journal = newJournal(seam(&boltDisk{db: file.db}), s.log, s.now, s.wakeBy)
	s.journal.setWatermark(onDisk)
	s.kv.journal = s.journal
	s.load(file.contents)
	go s.journal.run()
	s.start()
	return s, nil
}

// A file is a bbolt file that is open for writing, and what it held.
type file struct {
	db       *bolt.DB
	contents *contents
}

// openFile opens the file at path, a new one if there is none or it is
// damaged.
func openFile(path string, o Options, log *slog.Logger) (*file, error) {
	f, err := openUndamaged(path, o, log)
	if !errors.Is(err, errDamaged) {
		return f, err
	}
	aside, moveErr := moveAside(path)
	if moveErr != nil {
		return nil, fmt.Errorf("%s is damaged (%w) and cannot be moved aside: %w", path, err, moveErr)
	}
	log.Warn("the store's file is damaged; it was moved aside and a new one is begun", "file", path, "moved to", aside, "error", err)
	return openUndamaged(path, o, log)
}

// openWhole opens a file that is not damaged, a new one if there is none.
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
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &file{db, c}, nil
}

// openForWriting has bbolt look at all pages once more. Where it panics it
// keeps the file open, and locked, but another may take its name.
func openForWriting(path string, o Options) (db *bolt.DB, err error) {
	defer recoverInto(&err)
	defer panicOnFault()()
	db, err = bolt.Open(path, 0o644, &bolt.Options{
		Timeout:        lockTimeout,
		FreelistType:   bolt.FreelistMapType,
		NoFreelistSync: true, // it grows with what was once stored; the file is read at start anyway
		NoSync:         o.NoSync,
	})
	if err != nil {
		return nil, openError(path, err)
	}
	return db, nil
}

// inspect reads what the file holds without opening it for writing, which
// would let bbolt trust what was not looked at. An absent file holds nothing.
func readContents(path string, log *slog.Logger) (*contents, error) {
	c := newContents()
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0 {
		return c, nil
	}
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, fmt.Errorf("%s is a folder; the store is a file", path)
	}
	db, err := bolt.Open(path, 0o644, &bolt.Options{Timeout: lockTimeout, ReadOnly: true})
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

// prepare makes the buckets of a new file, and makes sure that an old one is
// what was read.
func prepare(db *bolt.DB, c *contents) error {
	tx, err := db.Begin(true)
	if err != nil {
		return err
	}
	defer tx.Rollback() // no more than an error after the commit
	if c.txid != 0 && tx.ID() != c.txid+1 {
		return errors.New("another process wrote the file while it was being opened; try again")
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

// openError makes bbolt's errors ours: what the system did not refuse, bbolt
// did, because of what it read.
func openError(path string, err error) error {
	var system *fs.PathError
	var number syscall.Errno
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return lockedError(path)
	case errors.As(err, &system), errors.As(err, &number):
		return fmt.Errorf("open %s: %w", path, err)
	}
	return fmt.Errorf("%w: %w", errDamaged, err)
}

// moveAside renames a damaged file to a name that is not taken.
func moveAside(path string) (aside string, err error) {
	base := path + ".damaged-" + time.Now().Format("20060102-150405")
	aside = base
	for n := 2; ; n++ {
		if _, err := os.Lstat(aside); errors.Is(err, fs.ErrNotExist) {
			return aside, os.Rename(path, aside)
		}
		aside = fmt.Sprintf("%s-%d", base, n)
	}
}

// closeFile ends the journal and lets the file go.
func (s *Store) closeFile(ctx context.Context) error {
	if s.journal == nil {
		return nil
	}
	return errors.Join(s.journal.close(ctx), s.run.release())
}
