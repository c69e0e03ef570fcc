//go:build !windows

package e2e

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// The opening of a pipe would wait for another process for ever.
func TestEveryPathThatLeadsToAPipeIsAnErrorOfOneLine(t *testing.T) {
	app := writeApp(t, helloApp)
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := errors.Join(syscall.Mkfifo(pipe, 0o600), syscall.Mkfifo(pipe+".run", 0o600)); err != nil {
		t.Fatal(err)
	}
	control := "http://127.0.0.1:1"
	for _, args := range [][]string{
		{"run", pipe},
		{"check", pipe},
		{"routes", pipe},
		{"worker", pipe, "--control", control},
		{"run", app, "--port", "0", "--store", pipe},
		{"run", app, "--port", "0", "--access-log", pipe},
		{"run", app, "--port", "0", "--tls-cert", pipe, "--tls-key", pipe},
		{"play", pipe, "--control", control},
		{"ps", "--store", pipe},
	} {
		expectText(t, mustFail(t, args...), "it is a named pipe")
	}
	p := start(t, helloApp)
	expectText(t, mustFail(t, "record", pipe, "--control", p.controlURL()), "it is a named pipe")
}

func TestAPipeInTheApplicationsFolderIsAnErrorOfTheLoad(t *testing.T) {
	for _, name := range []string{".env", "helpers.star"} {
		app := writeApp(t, `load("helpers.star", "x")`)
		helpers := filepath.Join(filepath.Dir(app), "helpers.star")
		pipe := filepath.Join(filepath.Dir(app), name)
		if err := errors.Join(os.WriteFile(helpers, []byte("x = 1\n"), 0o600), os.RemoveAll(pipe), syscall.Mkfifo(pipe, 0o600)); err != nil {
			t.Fatal(err)
		}
		status, out := runCommand(t, "check", app)
		if status != 1 {
			t.Errorf("exit status %d", status)
		}
		expectText(t, out, "cannot read "+name+": it is a named pipe, not a regular file")
	}
}

func TestOnlyTheOwnerCanReadWhatTheServerWrites(t *testing.T) {
	data := t.TempDir()
	p := start(t, chatApp, "--store", filepath.Join(data, "a.db"), "--access-log", filepath.Join(data, "access.txt"), "--tls")
	p.waitFor(`generation 1`)
	files := 0
	for _, folder := range []string{data, filepath.Join(p.dir, ".asgibox")} {
		err := filepath.WalkDir(folder, func(file string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			files++
			info, err := e.Info()
			if err == nil && info.Mode().Perm() != 0o600 {
				t.Errorf("%s has mode %v", file, info.Mode())
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
	if files < 5 { // a.db, a.db.run, access.txt, and the certificate and its key
		t.Errorf("%d files", files)
	}
}
