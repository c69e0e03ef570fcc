package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
)

// foreignFiles returns the contents of files of other programs.
func foreignFiles(t *testing.T) map[string][]byte {
	t.Helper()
	path := newPath(t)
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		b, err := tx.CreateBucket(metaBucket)
		if err == nil {
			err = b.Put([]byte("version"), []byte("1"))
		}
		return err
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	another, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return map[string][]byte{
		"one byte":      {'x'},
		"a text":        []byte("notes\n"),
		"a long text":   []byte(strings.Repeat("not a store ", 5000)),
		"zeros":         make([]byte, 100_000),
		"another bbolt": another,
	}
}

func TestFilesOfOtherProgramsAreRefusedUnchanged(t *testing.T) {
	for name, content := range foreignFiles(t) {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "notes.txt")
			if err := os.WriteFile(path, content, 0o644); err != nil {
				t.Fatal(err)
			}
			before, _ := os.Stat(path)
			var all sync.WaitGroup
			for range 4 {
				all.Go(func() {
					_, err := Open(path, Options{})
					var foreign *ForeignFileError
					var locked *LockedError
					if !errors.As(err, &foreign) && !errors.As(err, &locked) {
						t.Errorf("err = %v", err)
					}
				})
			}
			all.Wait()
			wantOnly(t, path, content)
			after, _ := os.Stat(path)
			if !os.SameFile(before, after) || before.Mode() != after.Mode() || !before.ModTime().Equal(after.ModTime()) {
				t.Errorf("before %v %v, after %v %v", before.Mode(), before.ModTime(), after.Mode(), after.ModTime())
			}
		})
	}
}

func TestAForeignFileNamedRunIsRefusedUnchanged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notes.txt")
	content := []byte("#!/bin/sh\n")
	if err := os.WriteFile(runPath(path), content, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := Open(path, Options{})
	var foreign *ForeignFileError
	if !errors.As(err, &foreign) || foreign.File != runPath(path) {
		t.Errorf("err = %v", err)
	}
	wantOnly(t, runPath(path), content)
}

// An empty file says nothing about the program that made it.
func TestAnEmptyRunFileBesideAForeignFileStays(t *testing.T) {
	for name, content := range foreignFiles(t) {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "notes.txt")
			if err := errors.Join(os.WriteFile(path, content, 0o644), os.WriteFile(runPath(path), nil, 0o644)); err != nil {
				t.Fatal(err)
			}
			before, _ := os.Stat(runPath(path))
			var foreign *ForeignFileError
			if _, err := Open(path, Options{}); !errors.As(err, &foreign) {
				t.Errorf("err = %v", err)
			}
			after, err := os.Stat(runPath(path))
			if err != nil || !os.SameFile(before, after) || before.Mode() != after.Mode() || !before.ModTime().Equal(after.ModTime()) || after.Size() > 0 {
				t.Errorf("before %v, after %v, %v", before, after, err)
			}
		})
	}
}

// wantOnly checks that a folder contains only one file, with this content.
func wantOnly(t *testing.T, path string, content []byte) {
	t.Helper()
	if b, err := os.ReadFile(path); err != nil || !bytes.Equal(b, content) {
		t.Errorf("the file was changed: %d bytes, %v", len(b), err)
	}
	if all, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*")); len(all) != 1 {
		t.Errorf("files: %v", all)
	}
}

// A store that a killed process left is known by its .run file, whatever
// remains of it.
func TestAFileWithTheRunFileOfAKilledProcessIsReplaced(t *testing.T) {
	run, err := json.Marshal(runInfo{Pid: 4711, Started: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range foreignFiles(t) {
		t.Run(name, func(t *testing.T) {
			path := newPath(t)
			if err := errors.Join(os.WriteFile(path, content, 0o600), os.WriteFile(runPath(path), run, 0o600)); err != nil {
				t.Fatal(err)
			}
			s := openAt(t, path, Options{})
			send(t, s, "jobs", 1)
			wantPoll(t, s, 1, "jobs")
			if aside, _ := filepath.Glob(path + ".damaged-*"); len(aside) != 1 {
				t.Errorf("renamed: %v", aside)
			}
		})
	}
}

// JSON of another program may have a pid.
func TestAFileWithAForeignRunFileIsRefused(t *testing.T) {
	for _, run := range []string{`{"pid": 4711, "name": "mytool"}`, `{"pid": 4711}`, `{"pid": 4711, "started": "2026-01-02T03:04:05Z", "name": "mytool"}`} {
		path := newPath(t)
		if err := errors.Join(os.WriteFile(path, []byte("notes"), 0o600), os.WriteFile(runPath(path), []byte(run), 0o600)); err != nil {
			t.Fatal(err)
		}
		var foreign *ForeignFileError
		if _, err := Open(path, Options{}); !errors.As(err, &foreign) {
			t.Errorf("beside %s: err = %v", run, err)
		}
		for file, want := range map[string]string{path: "notes", runPath(path): run} {
			if got, err := os.ReadFile(file); string(got) != want {
				t.Errorf("%s was changed to %q, %v", filepath.Base(file), got, err)
			}
		}
	}
}

// A file that has the marks of a store is one, even if nothing else can be read.
func TestADamagedStoreIsReplacedAtAnyPath(t *testing.T) {
	whole := filledFile(t)
	for name, content := range map[string][]byte{
		"cut short":           whole[:len(whole)/2/4096*4096],
		"only the first page": whole[:4096],
		"one message":         flipMessage(bytes.Clone(whole)),
		"no first page":       append(make([]byte, 4096), whole[4096:9000]...),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "elsewhere")
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			openAt(t, path, Options{})
			if aside, _ := filepath.Glob(path + ".damaged-*"); len(aside) != 1 {
				t.Errorf("renamed: %v", aside)
			}
		})
	}
}

func TestContentTellsTheFilesOfAStore(t *testing.T) {
	path := newPath(t)
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Announce("http://127.0.0.1:8001/?token=x"); err != nil {
		t.Fatal(err)
	}
	run, runErr := os.ReadFile(runPath(path))
	if err := errors.Join(runErr, s.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	db, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	damaged := slices.Clone(db)
	clear(damaged[:100])
	for name, c := range map[string]struct {
		content []byte
		want    bool
	}{
		"store":             {db, true},
		"damaged store":     {damaged, true},
		"run file":          {run, true},
		"another run file":  {[]byte(`{"pid":5,"name":"x"}`), false},
		"part of it":        {run[:20], false},
		"text":              {[]byte(strings.Repeat("a text ", 20_000)), false},
		"nothing":           {nil, false},
		"JSON with a pid":   {[]byte(`{"pid":5}`), false},
		"start of run file": {[]byte(runStart), false},
	} {
		if got := IsSecret(bytes.NewReader(c.content)); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
