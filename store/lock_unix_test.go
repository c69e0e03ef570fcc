//go:build !windows

package store

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A process that is not asgibox can lock the file, and a .run file may be from a
// process that has ended, in another container with the same id as this one.
func TestALockOfAnUnknownProcessNamesNone(t *testing.T) {
	ended := exec.Command(os.Args[0], "-test.run=^$")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	for name, left := range map[string]*runInfo{
		"without a .run file":  nil,
		"with that of another": {Pid: ended.Process.Pid, Started: time.Now(), Control: "127.0.0.1:8001"},
		"with our own id":      {Pid: os.Getpid(), Started: processStarted.Add(-time.Hour), Control: "127.0.0.1:8001"},
	} {
		for _, file := range []string{"the store", "the .run file"} {
			t.Run(file+" "+name, func(t *testing.T) {
				s := openAt(t, newPath(t), Options{})
				closeStore(t, s)
				if left != nil {
					b, _ := json.Marshal(left)
					if err := os.WriteFile(runPath(s.path), b, 0o600); err != nil {
						t.Fatal(err)
					}
				}
				locked := s.path
				if file != "the store" {
					locked = runPath(s.path)
				}
				f, err := os.OpenFile(locked, os.O_RDWR|os.O_CREATE, 0o600)
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				if ok, err := tryLock(f); !ok {
					t.Fatal(err)
				}
				_, err = Open(s.path, Options{})
				if want := "open store " + s.path + ": in use by another process; stop it or pass --store"; err == nil || err.Error() != want {
					t.Errorf("err = %v", err)
				}
			})
		}
	}
}

func TestAStoreMustBeARegularFile(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o644); err != nil {
		t.Fatal(err)
	}
	loop := filepath.Join(dir, "loop")
	if err := os.Symlink("loop", loop); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		loop:                "too many levels of symbolic links; pass the path of a file with --store",
		pipe:                "it is a named pipe, not a regular file; pass the path of a file with --store",
		filepath.Clean(dir): "it is a folder, not a regular file; pass the path of a file with --store",
		dir + "/new/":       "it ends in a slash, so it is a folder; pass the path of a file with --store",
		"/dev/zero":         "it is a device, not a regular file; pass the path of a file with --store",
	} {
		if _, err := Open(path, Options{}); err == nil || err.Error() != "open store "+path+": "+want {
			t.Errorf("%s: %v", path, err)
		}
		if _, err := os.Stat(runPath(path)); err == nil {
			t.Errorf("%s was made", runPath(path))
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "new")); err == nil {
		t.Error("a folder was made")
	}
	path := newPath(t)
	if err := syscall.Mkfifo(runPath(path), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, Options{}); err == nil || !strings.Contains(err.Error(), runPath(path)+" is not a file of asgibox") {
		t.Errorf("a pipe as .run file: %v", err)
	}
}
