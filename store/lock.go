package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
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

// run is what stands in the .run file beside the store, for those who find it
// locked. The lock itself is bbolt's, on the store's file: the system frees it
// when the process ends, however it ends.
type run struct {
	Pid     int       `json:"pid"`
	Control string    `json:"control,omitempty"`
	Started time.Time `json:"started"`
}

func runPath(path string) string { return path + ".run" }

// Announce writes the address of the control server beside the file, for who
// finds it locked. A store in memory has nobody to tell.
func (s *Store) Announce(control string) error {
	if s.journal == nil {
		return nil
	}
	return s.writeRun(control)
}

func (s *Store) writeRun(control string) error {
	b, err := json.Marshal(run{os.Getpid(), control, s.epoch})
	if err != nil {
		return err
	}
	return os.WriteFile(runPath(s.path), append(b, '\n'), 0o600)
}

func (s *Store) removeRun() error {
	err := os.Remove(runPath(s.path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// lockedError says who has the file, by its .run file.
func lockedError(path string) error {
	locked := &LockedError{Path: path}
	var r run
	if b, err := os.ReadFile(runPath(path)); err == nil && json.Unmarshal(b, &r) == nil {
		locked.Pid, locked.Control, locked.Started = r.Pid, r.Control, r.Started
	}
	return locked
}
