package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestEveryCommandHasAManPage(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "man", "man1")
	if status, out := controlled(t, "man", dir); status != 0 || out != "" {
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
	for _, cmd := range newRoot().Commands() {
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

func TestManPagesNeedAFolder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if status, out := controlled(t, "man", file); status != 1 || !strings.Contains(out, file) {
		t.Errorf("status %d: %s", status, out)
	}
}

func TestShellsCompleteCommands(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if status, out := controlled(t, "completion", shell); status != 0 || !strings.Contains(out, "asgibox") {
			t.Errorf("%s: status %d: %s", shell, status, out)
		}
	}
	// What the scripts ask for when somebody presses Tab.
	_, out := controlled(t, "__complete", "")
	for _, cmd := range newRoot().Commands() {
		if !strings.Contains(out, cmd.Name()+"\t") {
			t.Errorf("%s is not completed: %s", cmd.Name(), out)
		}
	}
	if _, out := controlled(t, "__complete", "run", "--work"); !strings.Contains(out, "--workers") {
		t.Errorf("flags are not completed: %s", out)
	}
}
