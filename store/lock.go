package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"
)

// A LockedError says that another process has the file open, and which one if
// that is known.
type LockedError struct {
	Path    string
	Pid     int    // zero if unknown
	Control string // address of its control server, or empty
	Started time.Time
}

func (e *LockedError) Error() string {
	if e.Pid == 0 {
		return fmt.Sprintf("open store %s: in use by another process; stop it or pass --store", e.Path)
	}
	control := ""
	if e.Control != "" {
		control = ", control server on " + e.Control
	}
	return fmt.Sprintf("open store %s: in use by process %d since %s%s; stop it or pass --store",
		e.Path, e.Pid, e.Started.Local().Format(time.DateTime), control)
}

// lockTimeout is how long Open waits for another process to unlock the file.
const lockTimeout = time.Second

// runInfo is the content of the .run file beside the store. It tells other
// processes which one has the store open.
type runInfo struct {
	Pid     int       `json:"pid"`
	Control string    `json:"control,omitempty"`
	Started time.Time `json:"started"`
}

// maxRunFile is more than the longest .run file, in bytes.
const maxRunFile = 64 << 10

func runPath(path string) string { return path + ".run" }

// A runFile is the locked .run file. It is locked before the store's file is
// read and until the store is closed. The lock of bbolt does not suffice: it is
// not held while a file is renamed, compacted or replaced.
type runFile struct {
	file *os.File
	left bool // a process that did not close the store had left it

	mu   sync.Mutex // guards the file's content and info
	info runInfo
}

// lockRun locks the .run file of the store at path. It fails with a
// [LockedError] if another process has it locked.
func lockRun(path string, started time.Time, log *slog.Logger) (*runFile, error) {
	for deadline := time.Now().Add(lockTimeout); ; time.Sleep(20 * time.Millisecond) {
		f, err := os.OpenFile(runPath(path), os.O_RDWR|os.O_CREATE, fileMode)
		if err != nil {
			return nil, err
		}
		ok, err := tryLock(f)
		if ok && isFileAt(f, runPath(path)) {
			content, err := io.ReadAll(io.LimitReader(f, maxRunFile))
			if err == nil && !isRunInfo(content) {
				err = &ForeignFileError{path, f.Name()}
			}
			if err != nil {
				f.Close()
				return nil, err
			}
			r := &runFile{file: f, left: len(content) > 0, info: runInfo{Pid: os.Getpid(), Started: started}}
			makePrivate(f.Name(), log)
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

// isFileAt reports whether the path still names the file f. The previous holder
// of the lock may have removed it.
func isFileAt(f *os.File, path string) bool {
	opened, err := f.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(path)
	return err == nil && os.SameFile(opened, named)
}

// write writes the process id, the start time and the address of the control
// server.
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

// release removes and unlocks the file. If the system cannot remove an open
// file, release empties it.
func (r *runFile) release() error {
	if err := os.Remove(r.file.Name()); err != nil {
		_ = r.file.Truncate(0)
	}
	return r.file.Close()
}

// Announce writes the address of the control server to the .run file. It does
// nothing for a store in memory.
func (s *Store) Announce(control string) error {
	if s.run == nil {
		return nil
	}
	return s.run.write(control)
}

// lockedError returns a [LockedError] with the contents of the .run file.
func lockedError(path string) error {
	locked := &LockedError{Path: path}
	var r runInfo
	if b, err := os.ReadFile(runPath(path)); err == nil && json.Unmarshal(b, &r) == nil {
		locked.Pid, locked.Control, locked.Started = r.Pid, r.Control, r.Started
	}
	return locked
}
