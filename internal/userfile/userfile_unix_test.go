//go:build !windows

package userfile

import (
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// otherKinds returns paths of files that are not regular, by what they are.
func otherKinds(t *testing.T) map[string]string {
	t.Helper()
	dir := t.TempDir()
	pipe, socket := filepath.Join(dir, "pipe"), filepath.Join(dir, "socket")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return map[string]string{"a folder": dir, "a named pipe": pipe, "a socket": socket, "a device": "/dev/zero"}
}

func TestOnlyRegularFilesAreOpenedForReading(t *testing.T) {
	for kind, path := range otherKinds(t) {
		if _, err := Open(path); err == nil || err.Error() != "open "+path+": it is "+kind+", not a regular file" {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

func TestFoldersAndSocketsAreNotWritten(t *testing.T) {
	kinds := otherKinds(t)
	for _, kind := range []string{"a folder", "a socket"} {
		if _, err := Write(kinds[kind], 0, Private); err == nil || !strings.HasSuffix(err.Error(), ": it is "+kind+", not a regular file") {
			t.Errorf("%s: %v", kind, err)
		}
	}
	f, err := Write(os.DevNull, os.O_TRUNC, Private)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
}

func TestANewFileHasTheMode(t *testing.T) {
	for _, mode := range []fs.FileMode{Private, 0o644} {
		path := filepath.Join(t.TempDir(), "file")
		f, err := Write(path, os.O_TRUNC, mode)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
		if info, err := os.Stat(path); err != nil || info.Mode() != mode {
			t.Errorf("mode %v, %v, want %v", info.Mode(), err, mode)
		}
	}
}

func TestANamedPipeIsWrittenIfItIsRead(t *testing.T) {
	pipe := otherKinds(t)["a named pipe"]
	if _, err := Write(pipe, 0, Private); err == nil || !strings.Contains(err.Error(), "no process reads") {
		t.Errorf("without a reader: %v", err)
	}
	reader, err := os.OpenFile(pipe, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	f, err := Write(pipe, 0, Private)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("line\n"); err != nil {
		t.Error(err)
	}
	f.Close()
}
