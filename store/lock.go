package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// A LockedError says which process has the file open, as far as is known.
type LockedError struct {
	Path    string
	Pid     int    // zero if not known
	Control string // address of its control server; empty if it has none
	Started time.Time
}

func (e *LockedError) Error() string {
	if e.Pid == 0 {
		return fmt.Sprintf("%s is in use by another process; stop it, or use another --store", e.Path)
	}
	control := ""
	if e.Control != "" {
		control = ", control server on " + e.Control
	}
	return fmt.Sprintf("%s is in use by process %d, running since %s%s; stop it, or use another --store",
		e.Path, e.Pid, e.Started.Local().Format(time.DateTime), control)
}

// lockPatience is how long Open waits for another process to let the file go.
const lockTimeout = time.Second

// run is what stands in the .run file beside the store, for those who find it
// locked.
type runInfo struct {
	Pid     int       `json:"pid"`
	Control string    `json:"control,omitempty"`
	Started time.Time `json:"started"`
}

func runPath(path string) string { return path + ".run" }

// A runFile is the .run file, locked. It is locked before the store's file is
// looked at and until it is closed: bbolt has a lock of its own, but not while
// a file is moved aside, compacted or replaced.
type runFile struct {
	file *os.File

	mu   sync.Mutex // guards what is written
	info runInfo
}

// lockRun locks the .run file of the store at path, or answers a
// [LockedError].
func lockRun(path string, started time.Time) (*runFile, error) {
	for deadline := time.Now().Add(lockTimeout); ; time.Sleep(20 * time.Millisecond) {
		f, err := os.OpenFile(runPath(path), os.O_RDWR|os.O_CREATE, 0o644)
		if err != nil {
			return nil, err
		}
		ok, err := tryLock(f)
		if ok && isFileAt(f, runPath(path)) {
			r := &runFile{file: f, info: runInfo{Pid: os.Getpid(), Started: started}}
			if err := r.write(""); err != nil {
				return nil, errors.Join(err, r.release())
			}
			return r, nil
		}
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("lock %s: %w", runPath(path), err)
		}
		if time.Now().After(deadline) {
			return nil, lockedError(path)
		}
	}
}

// isAt reports whether the path still names the file: who held the lock before
// removes it.
func isFileAt(f *os.File, path string) bool {
	opened, err := f.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(path)
	return err == nil && os.SameFile(opened, named)
}

// write says who has the store, and where its control server is.
func (r *runFile) write(control string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.info.Control = control
	b, err := json.Marshal(r.info)
	if err != nil {
		return err
	}
	if err := r.file.Truncate(0); err != nil {
		return err
	}
	_, err = r.file.WriteAt(append(b, '\n'), 0)
	return err
}

// release removes the file and with it the lock. Where an open file cannot be
// removed it stays, and says nothing.
func (r *runFile) release() error {
	if err := os.Remove(r.file.Name()); err != nil {
		_ = r.file.Truncate(0)
	}
	return r.file.Close()
}

// Announce writes the address of the control server beside the file, for who
// finds it locked. A store in memory has nobody to tell.
func (s *Store) Announce(control string) error {
	if s.run == nil {
		return nil
	}
	return s.run.write(control)
}

// lockedError says who has the file, by its .run file.
func lockedError(path string) error {
	locked := &LockedError{Path: path}
	var r runInfo
	if b, err := os.ReadFile(runPath(path)); err == nil && json.Unmarshal(b, &r) == nil {
		locked.Pid, locked.Control, locked.Started = r.Pid, r.Control, r.Started
	}
	return locked
}
