package python

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// interpreters returns the distinct Python interpreters of this machine that the
// package supports.
func interpreters(t *testing.T) []string {
	t.Helper()
	var found []string
	for _, name := range []string{"python3", "/usr/bin/python3", "python3.8", "python3.13"} {
		program, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		// python3 may be a script, such as a shim of pyenv.
		out, err := exec.Command(program, "-c", "import sys, os; print(os.path.realpath(sys.executable) if sys.version_info >= (3, 8) else '')").Output()
		path := strings.TrimSpace(string(out))
		if err == nil && path != "" && !contains(found, path) {
			found = append(found, path)
		}
	}
	if len(found) == 0 {
		t.Skip("Python 3.8 or later is not installed")
	}
	return found
}

func contains(list []string, s string) bool {
	for _, e := range list {
		if e == s {
			return true
		}
	}
	return false
}

// run runs a program and fails the test with its output if it fails.
func run(t *testing.T, dir, program string, args ...string) string {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// TestPackage runs the unit tests of the Python package with each interpreter.
func TestPackage(t *testing.T) {
	for _, python := range interpreters(t) {
		t.Run(filepath.Base(python), func(t *testing.T) {
			t.Parallel()
			run(t, ".", python, "-W", "error::ResourceWarning", "-m", "unittest", "discover", "-s", "tests")
		})
	}
}

// TestSyntaxIsThatOfPython38 checks that the oldest supported Python can read the
// package, with any interpreter.
func TestSyntaxIsThatOfPython38(t *testing.T) {
	const check = `
import ast, glob, sys
files = glob.glob("asgibox/*.py")
assert len(files) > 5, files
for name in files:
    with open(name, encoding="utf-8") as f:
        ast.parse(f.read(), name, feature_version=(3, 8))
`
	run(t, ".", interpreters(t)[0], "-c", check)
}

// TestTypes checks the package's annotations with mypy.
func TestTypes(t *testing.T) {
	for _, python := range interpreters(t) {
		if exec.Command(python, "-c", "import mypy").Run() == nil {
			run(t, ".", python, "-m", "mypy", "--cache-dir", t.TempDir())
			return
		}
	}
	t.Skip("mypy is not installed")
}

// TestInstallWithPip checks that pip installs the package, without a network.
func TestInstallWithPip(t *testing.T) {
	for _, python := range interpreters(t) {
		if exec.Command(python, "-c", "import setuptools, wheel, pip").Run() != nil {
			continue
		}
		source, target := t.TempDir(), t.TempDir()
		if err := os.CopyFS(source, os.DirFS(".")); err != nil { // setuptools writes into it
			t.Fatal(err)
		}
		run(t, source, python, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check", "--root-user-action=ignore", "--target", target, source)
		run(t, target, python, "-c", "import asgibox, os; assert os.path.dirname(asgibox.__file__) == os.path.join(os.getcwd(), 'asgibox'), asgibox.__file__; asgibox.ChannelLayer")
		if _, err := os.Stat(filepath.Join(target, "asgibox", "py.typed")); err != nil {
			t.Error(err)
		}
		return
	}
	t.Skip("pip, setuptools and wheel are not installed")
}
