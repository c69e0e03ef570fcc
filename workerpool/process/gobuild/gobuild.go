// Package gobuild builds a Go program each time its files change, beside the
// binaries that are running.
//
// A [Builder] runs go build with the settings of the program's own module. Each
// build makes a new [Binary], so a build that fails changes nothing. The error of
// a failed build has the method Explanation, with the place of each mistake.
package gobuild

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// stopTime is how long an interrupted go command may take to end.
const stopTime = 5 * time.Second

// A Builder builds one program. Its methods may be called from any goroutine.
type Builder struct {
	tool string // path of the go command
	dir  string // of the main package, absolute
	root string
	bin  string // folder of the binaries of this builder

	mu       sync.Mutex // guards the fields below
	builds   int        // number of builds so far
	building int        // number of builds that run
	sources  *sources   // nil before the first build
}

// New returns a builder for the main package in the folder dir. Its binaries are
// in a folder of their own in the folder out, which New creates if necessary. New
// removes what killed processes have left in out. It fails if dir has no Go files,
// or if there is no go command.
func New(dir, out string) (*Builder, error) {
	if !HasGoFiles(dir) {
		return nil, fmt.Errorf("the folder %s has no Go files", dir)
	}
	tool, err := exec.LookPath("go")
	if err != nil {
		return nil, fmt.Errorf("%s is a Go program, and the command go, which builds it, is not in the PATH; install Go from https://go.dev/dl/", dir)
	}
	b := &Builder{tool: tool}
	if b.dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	b.root = rootOf(b.dir)
	if out, err = filepath.Abs(out); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(out, 0o700); err != nil {
		return nil, fmt.Errorf("make a folder for binaries: %w", err)
	}
	removeAbandoned(out)
	if b.bin, err = os.MkdirTemp(out, fmt.Sprintf("%d-", os.Getpid())); err != nil {
		return nil, fmt.Errorf("make a folder for binaries: %w", err)
	}
	return b, nil
}

// HasGoFiles reports whether a folder has Go files other than tests.
func HasGoFiles(dir string) bool {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if isSource(e.Name()) && filepath.Ext(e.Name()) == ".go" && !e.IsDir() {
			return true
		}
	}
	return false
}

// rootOf returns the nearest folder above dir, or dir itself, that has a go.work;
// else the nearest that has a go.mod; else dir.
func rootOf(dir string) string {
	for _, name := range []string{"go.work", "go.mod"} {
		for folder := dir; ; folder = filepath.Dir(folder) {
			if _, err := os.Stat(filepath.Join(folder, name)); err == nil {
				return folder
			}
			if folder == filepath.Dir(folder) {
				break
			}
		}
	}
	return dir
}

// removeAbandoned removes the folders in out of processes that have ended. A
// folder that cannot be removed is left for the next time.
func removeAbandoned(out string) {
	entries, _ := os.ReadDir(out)
	for _, e := range entries {
		pid, _, ours := strings.Cut(e.Name(), "-")
		if n, err := strconv.Atoi(pid); ours && err == nil && !runs(n) {
			os.RemoveAll(filepath.Join(out, e.Name()))
		}
	}
}

// runs reports whether a process exists.
func runs(pid int) bool {
	p, err := os.FindProcess(pid)
	if err != nil {
		return false
	}
	defer p.Release()
	if runtime.GOOS == "windows" {
		return true // FindProcess has found it
	}
	err = p.Signal(syscall.Signal(0))
	return err == nil || errors.Is(err, os.ErrPermission)
}

// Root returns the folder that has all packages of the program's module: that of
// go.work or go.mod.
func (b *Builder) Root() string { return b.root }

// Close removes all binaries. It must not be called during a build.
func (b *Builder) Close() error { return os.RemoveAll(b.bin) }

// A Binary is a program that has been built.
type Binary struct{ Path string }

// Remove removes the binary. A process that runs it goes on, except on Windows,
// where Remove fails while there is one.
func (b *Binary) Remove() error { return os.Remove(b.Path) }

// Build builds the program as it is now. It fails with an [*Error] if the program
// has mistakes.
func (b *Builder) Build(ctx context.Context) (*Binary, error) {
	b.mu.Lock()
	b.builds++
	b.building++
	n := b.builds
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		b.building--
		b.mu.Unlock()
	}()

	bin := &Binary{filepath.Join(b.bin, fmt.Sprintf("%s-%d", filepath.Base(b.dir), n))}
	if runtime.GOOS == "windows" {
		bin.Path += ".exe"
	}
	var (
		both  errgroup.Group
		found *sources
		built error
	)
	both.Go(func() (err error) {
		found, err = b.list(ctx)
		return err
	})
	both.Go(func() error {
		_, built = b.run(ctx, "build", "-o", bin.Path, ".")
		return nil
	})
	err := both.Wait()
	if err == nil {
		b.mu.Lock()
		b.sources = found
		b.mu.Unlock()
	}
	switch {
	case built != nil:
		err = built
	case err == nil && found.name != "main":
		err = fmt.Errorf("the package in %s is %s, and only a package main is a program", b.dir, found.name)
	}
	if err != nil {
		os.Remove(bin.Path) // it may not exist
		return nil, err
	}
	return bin, nil
}

// run runs a go command in the folder of the program and returns its output.
func (b *Builder) run(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, b.tool, args...)
	cmd.Dir = b.dir
	cmd.WaitDelay = stopTime
	if runtime.GOOS != "windows" {
		// An interrupted go command stops its compilers.
		cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	}
	var out, report bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &report
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("go %s: %w", args[0], context.Cause(ctx))
	case errors.As(err, &exit):
		return nil, newError(b.dir, b.root, report.String())
	case err != nil:
		return nil, fmt.Errorf("go %s: %w", args[0], err)
	}
	return out.Bytes(), nil
}
