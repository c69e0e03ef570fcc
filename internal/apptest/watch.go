package apptest

import (
	"context"
	"maps"
	"path/filepath"
	"slices"

	"golang.org/x/sync/errgroup"

	"asgibox/reload"
)

// A Watcher runs tests again when files that they use have changed.
type Watcher struct {
	// Roots are the folders to watch, with the folders below them.
	Roots []string
	// Find returns the files of tests.
	Find func() ([]string, error)
}

// Run calls run with all files of tests, and after each change with those that the
// change touches, until ctx is done or run fails.
func (w *Watcher) Run(ctx context.Context, run func(changed, files []string) (Summary, error)) error {
	tasks, ctx := errgroup.WithContext(ctx)
	changes := make(chan []string)
	for _, root := range outermost(w.Roots) {
		watcher, err := reload.New(reload.Options{Root: root})
		if err != nil {
			tasks.Go(func() error { return err })
			break
		}
		tasks.Go(func() error {
			return watcher.Run(ctx, func(files []string) {
				for i, name := range files {
					files[i] = filepath.Join(root, filepath.FromSlash(name))
				}
				select {
				case changes <- files:
				case <-ctx.Done():
				}
			})
		})
	}
	tasks.Go(func() error { return w.run(ctx, changes, run) })
	return tasks.Wait()
}

func (w *Watcher) run(ctx context.Context, changes <-chan []string, run func(changed, files []string) (Summary, error)) error {
	used := map[string][]string{} // by file of tests
	var files []string
	for changed := []string(nil); ; {
		found, err := w.Find()
		switch {
		case err == nil:
			files = found
		case changed == nil:
			return err
		} // later, a named file may be missing for a moment
		selected := files
		if changed != nil {
			selected = touched(files, used, changed)
		}
		if changed == nil || len(selected) > 0 {
			s, err := run(changed, selected)
			if err != nil {
				return err
			}
			maps.Copy(used, s.Used)
		}
		select {
		case changed = <-changes:
		case <-ctx.Done():
			return nil
		}
	}
}

// touched returns the files of tests that use one of the changed files, and those
// that are new.
func touched(files []string, used map[string][]string, changed []string) (touched []string) {
	for _, file := range files {
		names, known := used[file]
		if !known || slices.Contains(changed, file) || slices.ContainsFunc(names, func(name string) bool {
			return slices.Contains(changed, filepath.Clean(name))
		}) {
			touched = append(touched, file)
		}
	}
	return touched
}

// outermost returns the folders that are in none of the others.
func outermost(folders []string) (roots []string) {
	var all []string
	for _, f := range folders {
		if f = filepath.Clean(f); !slices.Contains(all, f) {
			all = append(all, f)
		}
	}
	for _, f := range all {
		inside := slices.ContainsFunc(all, func(other string) bool {
			rel, err := filepath.Rel(other, f)
			return err == nil && other != f && filepath.IsLocal(rel)
		})
		if !inside {
			roots = append(roots, f)
		}
	}
	return roots
}
