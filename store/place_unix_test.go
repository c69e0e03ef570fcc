//go:build !windows

package store

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// loggedStore returns a store with one message on disk, and its log.
func loggedStore(t *testing.T) (*Store, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	path := filepath.Join(t.TempDir(), "data", "channels.db")
	s, err := Open(path, Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(t.Context()) })
	send(t, s, "jobs", 1)
	settle(t, s)
	return s, &log
}

func TestADeletedFileIsReportedOnceAndWrittenAgain(t *testing.T) {
	s, log := loggedStore(t)
	if err := os.RemoveAll(filepath.Dir(s.path)); err != nil {
		t.Fatal(err)
	}
	for i := 2; i <= 4; i++ {
		send(t, s, "jobs", i)
		settle(t, s)
	}
	closeStore(t, s)
	if n := strings.Count(log.String(), "the store's file was deleted"); n != 1 {
		t.Errorf("%d warnings in:\n%s", n, log)
	}
	again := openAt(t, s.path, Options{})
	for i := 1; i <= 4; i++ {
		wantPoll(t, again, i, "jobs")
	}
}

// The deletion is also found if nothing was written after it.
func TestAFileDeletedWhileNothingIsWrittenIsWrittenAgain(t *testing.T) {
	s, _ := loggedStore(t)
	if err := os.Remove(s.path); err != nil {
		t.Fatal(err)
	}
	wantPoll(t, reopen(t, s), 1, "jobs")
}

func TestAFileThatReplacesTheStoreIsKept(t *testing.T) {
	s, log := loggedStore(t)
	content := []byte("the file of another program")
	if err := errors.Join(os.WriteFile(s.path+".new", content, 0o644), os.Rename(s.path+".new", s.path), os.Remove(runPath(s.path)), os.WriteFile(runPath(s.path), content, 0o644)); err != nil {
		t.Fatal(err)
	}
	send(t, s, "jobs", 2)
	settle(t, s)
	if !strings.Contains(log.String(), "the store's file was replaced") {
		t.Errorf("log:\n%s", log)
	}
	if err := s.Close(t.Context()); err == nil || !strings.Contains(err.Error(), "the data of this server are lost") {
		t.Errorf("close: %v", err)
	}
	for _, path := range []string{s.path, runPath(s.path)} {
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, content) {
			t.Errorf("%s was changed: %v", path, err)
		}
	}
}
