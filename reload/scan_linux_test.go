package reload

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestFilesAreNotMissingWhenTooManyFilesAreOpen(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"app.star", "lib/a.star", "lib/deep/b.star"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	tree := newTree(Options{Root: dir, Patience: time.Nanosecond}.withDefaults())
	scan := func() []string {
		t.Helper()
		s, err := tree.scan(nil)
		if err != nil {
			t.Fatal(err)
		}
		return s.changed
	}
	if found := scan(); len(found) != 3 {
		t.Fatalf("found %v", found)
	}
	for path := range tree.files {
		tree.markReported(path)
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 0, Max: limit.Max}); err != nil {
		t.Fatal(err)
	}
	var changed []string
	for range 3 {
		changed = append(changed, scan()...)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if len(changed) > 0 {
		t.Errorf("without file descriptors: %v", changed)
	}
	if changed := scan(); len(changed) > 0 {
		t.Errorf("afterwards: %v", changed)
	}
	if err := os.RemoveAll(filepath.Join(dir, "lib")); err != nil {
		t.Fatal(err)
	}
	scan()
	if changed := scan(); len(changed) != 2 {
		t.Errorf("after the folder was removed: %v", changed)
	}
}

// An edit in place may keep the size and put an old time back, as rsync --inplace
// and some tools that generate code do.
func TestAnEditWithTheOldSizeAndTimeIsAChange(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.star")
	if err := os.WriteFile(path, []byte("x = 1"), 0o644); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-time.Hour)
	stat := func() os.FileInfo {
		t.Helper()
		if err := os.Chtimes(path, old, old); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	before := stat()
	f := &file{info: before, read: time.Now().Add(time.Hour)}
	if !f.unchanged(before) {
		t.Error("an old file that was not edited has changed")
	}
	deadline := time.Now().Add(time.Minute)
	for f.unchanged(stat()) { // the clock of the file system is coarse
		if err := os.WriteFile(path, []byte("x = 2"), 0o644); err != nil {
			t.Fatal(err)
		}
		if time.Now().After(deadline) {
			t.Fatal("the edit is not a change")
		}
	}
}

// Reading some files of the system waits for other processes. They are as good
// as empty.
func TestFilesOfTheSystemAreNotRead(t *testing.T) {
	info, err := os.Stat("/proc/self/status")
	if err != nil {
		t.Skip(err)
	}
	if got, _ := sum("/proc/self/status", info); got != sumOfNothing(t) {
		t.Error("/proc/self/status was read")
	}
}

func sumOfNothing(t *testing.T) uint64 {
	t.Helper()
	path := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	got, err := sum(path, info)
	if err != nil {
		t.Fatal(err)
	}
	return got
}
