package devserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// A python is an interpreter of Python.
type python struct {
	path    string // sys.executable, which may differ from the program that was found
	version string // like 3.11.2
}

// minPython is the oldest version of Python that can run applications.
var minPython = [2]int{3, 8}

// pythonTimeout limits the time in which an interpreter must tell its version.
const pythonTimeout = 20 * time.Second

// findPython returns the interpreter for the application in a folder: the one that
// is given, else that of the active virtual environment, else that of the folder
// .venv or venv beside the application, else python3. It asks the program for its
// real path, because a program of that name may be a shell script.
func findPython(parent context.Context, given, folder string, getenv func(string) string) (python, error) {
	program, from, err := pythonProgram(given, folder, getenv)
	if err != nil {
		return python{}, err
	}
	ctx, cancel := context.WithTimeout(parent, pythonTimeout)
	defer cancel()
	// This is valid in Python 2 too.
	const ask = `import sys; sys.stdout.write("%d %d %d %s" % (sys.version_info[:3] + (sys.executable,)))`
	cmd := exec.CommandContext(ctx, program, "-c", ask)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &stdout, &stderr, time.Second
	err = cmd.Run()
	if parent.Err() != nil {
		return python{}, context.Cause(parent)
	}
	var major, minor, patch int
	n, _ := fmt.Sscanf(stdout.String(), "%d %d %d", &major, &minor, &patch)
	switch {
	case err != nil:
		reason := err.Error()
		if line, _, _ := strings.Cut(strings.TrimSpace(stderr.String()), "\n"); line != "" {
			reason = line
		}
		return python{}, fmt.Errorf("%s (%s) does not run: %s; pass another interpreter with --python PATH", program, from, reason)
	case n < 3:
		return python{}, fmt.Errorf("%s (%s) is not Python; pass an interpreter with --python PATH", program, from)
	}
	p := python{path: program, version: fmt.Sprintf("%d.%d.%d", major, minor, patch)}
	if major < minPython[0] || major == minPython[0] && minor < minPython[1] {
		return python{}, fmt.Errorf("%s (%s) is Python %s; applications need %d.%d or later: pass another interpreter with --python PATH",
			program, from, p.version, minPython[0], minPython[1])
	}
	if words := strings.SplitN(stdout.String(), " ", 4); len(words) == 4 && filepath.IsAbs(words[3]) {
		p.path = words[3]
	}
	return p, nil
}

// pythonProgram returns the program of the interpreter, and where its name comes
// from.
func pythonProgram(given, folder string, getenv func(string) string) (program, from string, err error) {
	if given != "" {
		if program, err = exec.LookPath(given); err != nil {
			return "", "", fmt.Errorf("--python %s: there is no such program", given)
		}
		return absolute(program), "of --python", nil
	}
	if env := getenv("VIRTUAL_ENV"); env != "" {
		if program = pythonIn(env); fileExists(program) {
			return program, "of VIRTUAL_ENV", nil
		}
		return "", "", fmt.Errorf("VIRTUAL_ENV is %s, which has no %s; unset it, or pass an interpreter with --python PATH", env, program)
	}
	for _, name := range []string{".venv", "venv"} {
		program = pythonIn(filepath.Join(folder, name))
		switch {
		case fileExists(program):
			return absolute(program), "of the folder " + name + " beside the application", nil
		case isLink(program):
			return "", "", fmt.Errorf("%s is a link to an interpreter that does not exist; make the folder %s again, or pass an interpreter with --python PATH", program, name)
		}
	}
	for _, name := range []string{"python3", "python"} {
		if program, err = exec.LookPath(name); err == nil {
			return absolute(program), "of PATH", nil
		}
	}
	return "", "", errors.New("there is no python3 in PATH; install Python 3.8 or later, or pass an interpreter with --python PATH")
}

// pythonIn returns the path of the interpreter in a virtual environment.
func pythonIn(folder string) string {
	if runtime.GOOS == "windows" {
		return filepath.Join(folder, "Scripts", "python.exe")
	}
	return filepath.Join(folder, "bin", "python")
}

// absolute returns the absolute path of a program. Without a current folder, the
// path stays as it is.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}
