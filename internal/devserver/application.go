package devserver

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"asgibox/internal/userfile"
	"asgibox/workerpool/process/gobuild"
)

// A Kind says how an application is run.
type Kind int

// The kinds of application.
const (
	Starlark       Kind = iota // a file, in this process
	PythonFile                 // a file
	PythonCallable             // an object of a module
	GoProgram                  // a main package, which is built
	Program                    // a command
)

func (k Kind) String() string {
	return []string{"a Starlark application", "a Python application", "a Python application", "a Go program", "a program"}[k]
}

// Python reports whether an interpreter of Python runs the application.
func (k Kind) Python() bool { return k == PythonFile || k == PythonCallable }

// An Application is what a server or a worker runs.
type Application struct {
	Kind    Kind
	Name    string   // as the user wrote it
	Path    string   // of the file, or of the folder of a Go program; "" for the other kinds
	Folder  string   // of its files and of its data
	Command []string // of a program: its name and its arguments
}

// DefaultFile is the file of an application in its folder.
const DefaultFile = "app.star"

// short returns the name in log lines.
func (a Application) short() string {
	if a.Path == "" {
		return a.Name
	}
	if path, err := filepath.Abs(a.Path); err == nil {
		return filepath.Base(path)
	}
	return filepath.Base(a.Path)
}

// StarlarkFile returns the application in a Starlark file.
func StarlarkFile(path string) Application {
	return Application{Kind: Starlark, Name: path, Path: path, Folder: filepath.Dir(path)}
}

// callable matches the name of an object of a module, like shop.wsgi:application.
var callable = regexp.MustCompile(`^[\pL_][\pL\d_]*(\.[\pL_][\pL\d_]*)*:[\pL_][\pL\d_]*(\.[\pL_][\pL\d_]*)*$`)

// FindApplication returns the application that a user names: a file, a folder, or
// an object of a Python module. The empty name is refused. If a file is a symbolic
// link, the application is the file that the link leads to.
func FindApplication(name string) (Application, error) {
	if name == "" {
		return Application{}, errors.New("the name of the application is empty; write it like asgibox run app.star")
	}
	info, err := os.Stat(name)
	switch {
	case err == nil && info.IsDir():
		return inFolder(name)
	case err != nil && callable.MatchString(name):
		return Application{Kind: PythonCallable, Name: name, Folder: "."}, nil
	case filepath.Ext(name) == ".py":
		a := StarlarkFile(withoutLink(name))
		a.Kind = PythonFile
		return a, CheckFile(a.Path)
	}
	if err := notStarlark(name, err); err != nil {
		return Application{}, err
	}
	return StarlarkFile(withoutLink(name)), nil
}

// inFolder returns the application in a folder.
func inFolder(folder string) (Application, error) {
	file := filepath.Join(folder, DefaultFile)
	hasGo := gobuild.HasGoFiles(folder)
	switch {
	case hasGo && fileExists(file):
		return Application{}, fmt.Errorf("%s has Go files and %s: to run %[2]s, give its path; to run the Go program, move %[2]s to another folder", folder, DefaultFile)
	case hasGo:
		return Application{Kind: GoProgram, Name: folder, Path: folder, Folder: folder}, nil
	case !fileExists(file) && pythonBeside(file) != "":
		return FindApplication(pythonBeside(file))
	}
	return StarlarkFile(withoutLink(file)), nil
}

// DefaultApplication returns the application of a command without a name, which is
// the file app.star in the current folder.
func DefaultApplication() Application { return StarlarkFile(withoutLink(DefaultFile)) }

// pythonBeside returns the file app.py in the folder of a Starlark file if it
// exists, or "".
func pythonBeside(app string) string {
	if file := filepath.Join(filepath.Dir(app), "app.py"); filepath.Base(app) == DefaultFile && fileExists(file) {
		return file
	}
	return ""
}

// ProgramApplication returns the application that a command is.
func ProgramApplication(command []string) (Application, error) {
	if len(command) == 0 || command[0] == "" {
		return Application{}, errors.New("after -- write the command of a program, like asgibox run -- node worker.mjs")
	}
	if _, err := exec.LookPath(command[0]); err != nil {
		var failed *exec.Error
		if errors.As(err, &failed) {
			err = failed.Err
		}
		return Application{}, fmt.Errorf("cannot run the program %s: %w", command[0], err)
	}
	return Application{Kind: Program, Name: strings.Join(command, " "), Folder: ".", Command: slices.Clone(command)}, nil
}

// interpreters are the programs that run files whose names end so.
var interpreters = map[string]string{
	".cjs": "node", ".js": "node", ".mjs": "node", ".ts": "node", ".php": "php", ".pl": "perl", ".rb": "ruby", ".sh": "sh",
}

// notStarlark returns an error for a name that cannot be that of a Starlark file.
// Failed is the error of looking for the file.
func notStarlark(name string, failed error) error {
	switch ext := filepath.Ext(name); {
	case ext == ".go":
		return fmt.Errorf("%s: give the folder of the Go program: %s", name, filepath.Dir(name))
	case interpreters[ext] != "":
		return fmt.Errorf("%s is no application that asgibox can load; run it as a program: asgibox run -- %s %[1]s", name, interpreters[ext])
	case failed != nil && fileExists(strings.ReplaceAll(name, ".", string(filepath.Separator))+".py"):
		return fmt.Errorf("%s: there is no such file; the callable of a Python module is written %[1]s:application", name)
	}
	return nil
}

// withoutLink returns the path of the file that a symbolic link leads to: the
// folder of an application is that of this file.
func withoutLink(path string) string {
	if info, err := os.Lstat(path); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		return path
	}
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return path // a link to nothing; the caller reports it
	}
	return target
}

// check returns an error for an application that no reload could make loadable.
func (a Application) check() error {
	if a.Kind == Starlark || a.Kind == PythonFile {
		return CheckFile(a.Path)
	}
	return nil
}

// CheckFile returns an error for an application file that no reload could make
// loadable.
func CheckFile(app string) error {
	info, err := os.Stat(app)
	switch {
	case app == "":
		return errors.New("the name of the application's file is empty; write it like asgibox run app.star")
	case errors.Is(err, os.ErrNotExist) && isLink(app):
		return fmt.Errorf("%s is a link to a file that does not exist", app)
	case errors.Is(err, os.ErrNotExist) && pythonBeside(app) != "":
		return fmt.Errorf("%s: there is no such file; to run the Python application, give its file: %s", app, pythonBeside(app))
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("%s: there is no such file; asgibox new makes an application to start from", app)
	case err == nil && info.IsDir():
		return fmt.Errorf("%s is a folder: give the application's file, like %s", app, filepath.Join(app, DefaultFile))
	}
	f, err := userfile.Open(app)
	if err != nil {
		var failed *os.PathError
		if errors.As(err, &failed) {
			err = failed.Err
		}
		return fmt.Errorf("%s cannot be read: %w", app, err)
	}
	return f.Close()
}

func isLink(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode()&os.ModeSymlink != 0
}
