//go:build unix

package devserver

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fakePython writes a program that prints what an interpreter of that version
// prints, with its own path.
func fakePython(t *testing.T, path, version string) {
	t.Helper()
	writeProgram(t, path, `printf '%s' "`+version+` $0"`)
}

func writeProgram(t *testing.T, path, script string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
}

func TestTheInterpreterIsSearchedInOrder(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	app := filepath.Join(dir, "app")
	env := map[string]string{}
	find := func(given string) (python, error) {
		return findPython(t.Context(), given, app, func(name string) string { return env[name] })
	}
	t.Setenv("PATH", filepath.Join(dir, "empty"))
	if _, err := find(""); err == nil || !strings.Contains(err.Error(), "there is no python3 in PATH") {
		t.Errorf("without an interpreter: %v", err)
	}
	// Each of these is preferred to those before it.
	t.Setenv("PATH", filepath.Join(dir, "bin")+":/bin:/usr/bin")
	fakePython(t, filepath.Join(dir, "bin", "python3"), "3 9 1")
	for i, name := range []string{filepath.Join(dir, "bin", "python3"), filepath.Join(app, "venv", "bin", "python"), filepath.Join(app, ".venv", "bin", "python")} {
		fakePython(t, name, "3 9 1")
		if p, err := find(""); err != nil || p.path != name || p.version != "3.9.1" {
			t.Errorf("%d: %+v, %v, want %s", i, p, err, name)
		}
	}
	env["VIRTUAL_ENV"] = filepath.Join(dir, "active")
	if _, err := find(""); err == nil || !strings.Contains(err.Error(), "VIRTUAL_ENV is "+env["VIRTUAL_ENV"]) {
		t.Errorf("an empty environment: %v", err)
	}
	active := filepath.Join(dir, "active", "bin", "python")
	fakePython(t, active, "3 8 0")
	if p, err := find(""); err != nil || p.path != active {
		t.Errorf("VIRTUAL_ENV: %+v, %v", p, err)
	}
	given := filepath.Join(dir, "given")
	fakePython(t, given, "4 0 0")
	if p, err := find(given); err != nil || p.path != given || p.version != "4.0.0" {
		t.Errorf("--python: %+v, %v", p, err)
	}
}

func TestAnInterpreterThatCannotRunApplicationsIsExplained(t *testing.T) {
	dir := t.TempDir()
	write := func(name, script string) string {
		path := filepath.Join(dir, name)
		writeProgram(t, path, script)
		return path
	}
	for program, want := range map[string]string{
		filepath.Join(dir, "none"):                                  "there is no such program",
		write("old", `printf '3 7 9 /usr/bin/python3'`):             "is Python 3.7.9; applications need 3.8 or later",
		write("two", `printf '2 7 18 /usr/bin/python'`):             "is Python 2.7.18",
		write("cat", `echo hello`):                                  "is not Python",
		write("broken", `echo "no such version: 3.99" >&2; exit 1`): "does not run: no such version: 3.99",
	} {
		_, err := findPython(t.Context(), program, dir, func(string) string { return "" })
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "--python") {
			t.Errorf("%s: %v, want %q", filepath.Base(program), err, want)
		}
	}
	link := filepath.Join(dir, "venv", "bin", "python")
	if err := os.MkdirAll(filepath.Dir(link), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/none/python3", link); err != nil {
		t.Fatal(err)
	}
	if _, err := findPython(t.Context(), "", dir, func(string) string { return "" }); err == nil || !strings.Contains(err.Error(), "is a link to an interpreter that does not exist") {
		t.Errorf("a dangling link: %v", err)
	}
	// A program of that name may be a script that starts the interpreter.
	real := write("real", `printf '%s' "3 12 0 $0"`)
	shim := write("shim", "exec "+real+` "$@"`)
	if p, err := findPython(t.Context(), shim, dir, func(string) string { return "" }); err != nil || p.path != real {
		t.Errorf("a shim: %+v, %v, want %s", p, err, real)
	}
}
