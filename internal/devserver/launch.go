package devserver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"asgibox/internal/logkey"
	"asgibox/internal/userfile"
	pythonpackage "asgibox/python"
	"asgibox/workerpool/process"
	"asgibox/workerpool/process/gobuild"
	"asgibox/workerpool/script/explain"
	"asgibox/workerpool/script/lib"
)

// A launcher knows how to start an application that runs in processes of its own.
type launcher struct {
	// command returns the program of a new generation, which it may build.
	command func(context.Context) (*process.Command, error)
	root    string                 // folder to watch, absolute
	uses    func(path string) bool // whether the program is built from a file; nil if none is built
	main    []string               // paths of the application's own file, one of which exists or may come
	close   func() error           // removes what command has made; nil if it makes nothing
	about   [2]string              // row of the banner; "" for none
}

// newLauncher returns the launcher of an application, or nil if it is Starlark.
func newLauncher(ctx context.Context, log *slog.Logger, app Application, o *Options) (*launcher, error) {
	if app.Kind == Starlark {
		return nil, nil
	}
	root, err := filepath.Abs(app.Folder)
	if err != nil {
		return nil, err
	}
	l := &launcher{root: root}
	switch {
	case app.Kind.Python():
		err = l.python(ctx, app, o)
	case app.Kind == GoProgram:
		err = l.goProgram(log, app)
	default:
		err = l.program(app.Command)
	}
	if err != nil {
		return nil, err
	}
	return l, nil
}

// unlessStopped returns the error of preparing an application, or nil if the program
// was stopped meanwhile.
func unlessStopped(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// end removes what the launcher has made. It does nothing for a nil launcher.
func (l *launcher) end(log *slog.Logger) {
	if l == nil || l.close == nil {
		return
	}
	if err := l.close(); err != nil {
		log.Warn("could not remove the programs that were built", logkey.Error, err)
	}
}

// python prepares a Python application.
func (l *launcher) python(ctx context.Context, app Application, options *Options) error {
	o := &options.Process
	found, err := findPython(ctx, o.Python, l.root, os.Getenv)
	if err != nil {
		return err
	}
	dir, err := pythonpackage.Extract()
	if err != nil {
		return err
	}
	args := []string{"-c", pythonpackage.Start(dir)}
	if app.Kind == PythonFile {
		file := filepath.Join(l.root, filepath.Base(app.Path))
		args, l.main = append(args, "run", file), []string{file}
	} else {
		module, _, _ := strings.Cut(app.Name, ":")
		path := filepath.Join(l.root, filepath.Join(strings.Split(module, ".")...))
		args, l.main = append(args, "call", app.Name), []string{path + ".py", filepath.Join(path, "__init__.py")}
	}
	interfaceName := o.Interface
	if interfaceName == "" {
		interfaceName = "auto"
	}
	args = append(args, "--interface", interfaceName, "--threads", strconv.Itoa(o.Threads), "--concurrency", strconv.Itoa(o.Concurrency), "--folder", l.root)
	if o.Debug {
		args = append(args, "--debug")
	}
	if options.Pages.Production {
		args = append(args, "--no-variables")
	}
	l.command = func(context.Context) (*process.Command, error) {
		return &process.Command{Path: found.path, Args: args, Dir: l.root, Python: true}, nil
	}
	l.about = [2]string{"python", fmt.Sprintf("%s, %s", found.version, found.path)}
	return nil
}

// goProgram prepares a Go program. It runs in the current folder, as with go run.
func (l *launcher) goProgram(log *slog.Logger, app Application) error {
	data, err := dataFolder(app.Folder)
	if err != nil {
		return err
	}
	builder, err := gobuild.New(app.Path, filepath.Join(data, "go"))
	if err != nil {
		return err
	}
	here, err := os.Getwd()
	if err != nil {
		return err
	}
	l.root, l.uses, l.close = builder.Root(), builder.Uses, builder.Close
	l.command = func(ctx context.Context) (*process.Command, error) {
		log.Info("building", logkey.App, app.short()) // the first build may take a minute
		binary, err := builder.Build(ctx)
		if err != nil {
			return nil, err
		}
		return &process.Command{Path: binary.Path, Dir: here, Release: func() { _ = binary.Remove() }}, nil // close removes it otherwise
	}
	return nil
}

// program prepares a program that is there already.
func (l *launcher) program(command []string) error {
	path, err := exec.LookPath(command[0])
	if err != nil {
		return err
	}
	if path, err = filepath.Abs(path); err != nil {
		return err
	}
	l.command = func(context.Context) (*process.Command, error) {
		return &process.Command{Path: path, Args: command[1:], Dir: l.root}, nil
	}
	return nil
}

// settingsFile has settings of an application, in its folder.
const settingsFile = ".env"

// settings returns the settings of an application: those that are given, and those of
// the settings file.
func settings(folder string, given map[string]string) (map[string]string, error) {
	data, err := userfile.Read(filepath.Join(folder, settingsFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("cannot read %s: %w", settingsFile, err)
	}
	text, line, err := explain.SourceText(data)
	if err != nil {
		return nil, fmt.Errorf("%s:%d: %w", settingsFile, line, err)
	}
	all, err := lib.ParseEnv(settingsFile, text)
	if err != nil {
		return nil, err
	}
	maps.Copy(all, given)
	return all, nil
}

// environment returns the settings as variables of the environment. Variables that are
// set already take precedence over those of the settings file.
func environment(all, given map[string]string) []string {
	var variables []string
	for name, value := range all {
		_, isGiven := given[name]
		if _, isSet := os.LookupEnv(name); isGiven || !isSet {
			variables = append(variables, name+"="+value)
		}
	}
	return variables
}
