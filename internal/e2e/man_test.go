package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"asgibox/internal/cli"
)

func TestEachCommandHasAManPage(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "man", "man1")
	if status, out := runCommand(t, "man", dir); status != 0 || out != "" {
		t.Fatalf("status %d: %s", status, out)
	}
	read := func(name string) string {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for _, cmd := range cli.NewRoot().Commands() {
		if cmd.Hidden {
			continue
		}
		if page := read("asgibox-" + cmd.Name() + ".1"); !strings.Contains(page, ".SH SYNOPSIS") {
			t.Errorf("the page of %s: %s", cmd.Name(), page)
		}
	}
	if page := read("asgibox-run.1"); !strings.Contains(page, `\-\-workers`) && !strings.Contains(page, "--workers") {
		t.Errorf("the page of run lacks its flags: %s", page)
	}
	if !strings.Contains(read("asgibox.1"), "asgibox-run(1)") {
		t.Error("the first page does not name the others")
	}
}

func TestManFailsIfTheFolderIsAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if status, out := runCommand(t, "man", file); status != 1 || !strings.Contains(out, file) {
		t.Errorf("status %d: %s", status, out)
	}
}
