package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"sync"
	"syscall"
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

const runSuffix = ".run"

// runStart is the start of each .run file.
const runStart = `{"pid":`

func runPath(path string) string { return path + runSuffix }

// A runFile is the locked .run file. It is locked before the store's file is
// read and until the store is closed. The lock of bbolt does not suffice: it is
// not held while a file is renamed, compacted or replaced.
type runFile struct {
	file *os.File
	left bool // a process that did not close the store had left it
	ours bool // it may be changed and removed

	mu   sync.Mutex // guards the file's content and info
	info runInfo
}

// lockRun locks the .run file of the store at path. It fails with a
// [LockedError] if another process has it locked. An empty file may belong to
// another program. lockRun leaves it unchanged; the caller claims it.
func lockRun(path string, started time.Time, log *slog.Logger) (*runFile, error) {
	r := &runFile{info: runInfo{Pid: os.Getpid(), Started: started}}
	for deadline := time.Now().Add(lockTimeout); ; time.Sleep(20 * time.Millisecond) {
		f, created, err := openRun(runPath(path))
		if err != nil {
			return nil, err
		}
		r.ours = r.ours || created
		ok, err := tryLock(f)
		if ok && isFileAt(f, runPath(path)) {
			r.file = f
			if err := r.readLeft(path, log); err != nil {
				return nil, err
			}
			return r, nil
		}
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("lock %s: %w", runPath(path), err)
		}
		if time.Now().After(deadline) {
			return nil, lockedBy(path)
		}
	}
}

// openRun opens the .run file, or creates it if there is none.
func openRun(path string) (f *os.File, created bool, err error) {
	for {
		f, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, fileMode)
		if !errors.Is(err, fs.ErrExist) {
			return f, true, err
		}
		if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
			return nil, false, &ForeignFileError{strings.TrimSuffix(path, runSuffix), path}
		}
		if f, err = os.OpenFile(path, os.O_RDWR, fileMode); !errors.Is(err, fs.ErrNotExist) {
			return f, false, err
		}
	}
}

// readLeft reads what the file contains before it is written, and claims a file
// that is surely that of a store.
func (r *runFile) readLeft(path string, log *slog.Logger) error {
	content, err := io.ReadAll(io.LimitReader(r.file, maxRunFile))
	if err == nil && !isRunInfo(content) {
		err = &ForeignFileError{path, r.file.Name()}
	}
	if err != nil {
		return errors.Join(err, r.file.Close())
	}
	if r.left = len(content) > 0; r.left || r.ours {
		return r.claim(log)
	}
	return nil
}

// claim makes the file that of this store. If it fails, it releases the file.
func (r *runFile) claim(log *slog.Logger) error {
	r.ours = true
	makePrivate(r.file.Name(), log)
	if err := r.write(""); err != nil {
		return errors.Join(err, r.release())
	}
	return nil
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
// file, release empties it. A file that was not claimed, or that has taken the
// place of this one, stays.
func (r *runFile) release() error {
	if r.ours && isFileAt(r.file, r.file.Name()) {
		if err := os.Remove(r.file.Name()); err != nil {
			_ = r.file.Truncate(0)
		}
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

// lockedBy returns a [LockedError] for a store whose .run file is locked. The
// file names the process that locked it, unless that has not written yet or is
// not asgibox: then the process that the file names has ended.
func lockedBy(path string) error {
	locked := &LockedError{Path: path}
	var r runInfo
	if b, err := os.ReadFile(runPath(path)); err == nil && json.Unmarshal(b, &r) == nil && isRunning(r) {
		locked.Pid, locked.Control, locked.Started = r.Pid, r.Control, r.Started
	}
	return locked
}

// isRunning reports whether the process that wrote a .run file may still run. If
// it has the id of this process, it ran before this one, for example in another
// container.
func isRunning(r runInfo) bool {
	if r.Pid == os.Getpid() && r.Started.Before(processStarted) {
		return false
	}
	p, err := os.FindProcess(r.Pid)
	return err == nil && !errors.Is(p.Signal(syscall.Signal(0)), os.ErrProcessDone)
}

// processStarted is the time at which this process started, or shortly later.
var processStarted = time.Now()
