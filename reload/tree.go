package reload

import (
	"io/fs"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fsnotify/fsnotify"

	"asgibox/internal/recent"
)

// maxFolders and maxFiles limit the folders and files that are watched, nearest
// to the root first. An application in a home folder must not make the watcher
// read all of it.
const (
	maxFolders = 2_000
	maxFiles   = 20_000
)

// maxAwaited is how many files that did not exist are awaited.
const maxAwaited = 1_000

// maxIgnored is how many paths that were ignored later than the start stay ignored. A
// file has up to two.
const maxIgnored = 2_000

// tree is the last known state of all files, by the paths by which an
// application would open them.
type tree struct {
	options       Options
	ignoredFirst  map[string]bool // by path
	ignoredLater  recent.Names
	followed      map[string]bool // followed files
	awaited       recent.Names    // files that did not exist, which are watched like followed ones
	files         map[string]*file
	watched       map[string]*interest // by real folder
	watch         func(dir string) error
	unwatch       func(dir string)
	limitReported bool // a limit was reached and logged
	scans         int  // number of scans so far
}

// interest says which names in a watched folder are of interest: all, or some.
type interest struct {
	all      bool
	names    map[string]bool
	lastScan int  // number of the last scan that needed it
	lost     bool // the system may have stopped watching it
}

func newTree(o Options) *tree {
	t := &tree{
		options: o, ignoredFirst: map[string]bool{}, followed: map[string]bool{},
		files: map[string]*file{}, watched: map[string]*interest{},
		watch: func(string) error { return nil }, unwatch: func(string) {},
	}
	for _, path := range o.Ignore {
		for _, p := range bothPaths(path) {
			t.ignoredFirst[p] = true
		}
	}
	return t
}

// bothPaths returns the absolute path of a file, and the one without links to its folder
// if that differs.
func bothPaths(path string) []string {
	abs, err := filepath.Abs(path)
	if err != nil || path == "" {
		return nil
	}
	real, err := filepath.EvalSymlinks(filepath.Dir(abs))
	if real = filepath.Join(real, filepath.Base(abs)); err != nil || real == abs {
		return []string{abs}
	}
	return []string{abs, real}
}

// ignoreLater excludes a file or folder. If too many were excluded later than the start,
// the oldest one of these is watched again.
func (t *tree) ignoreLater(path string) {
	for _, p := range bothPaths(path) {
		t.ignoredLater.Add(p, maxIgnored)
	}
}

func (t *tree) isIgnored(path string) bool { return t.ignoredFirst[path] || t.ignoredLater.Has(path) }

// follow also watches a file, and stores its current state. It does nothing if too many
// files are followed already.
func (t *tree) follow(path string) {
	if t.followed[path] || t.files[path] != nil && !t.awaited.Has(path) || len(t.followed) >= maxFiles {
		return
	}
	t.followed[path] = true
	if !t.awaited.Has(path) {
		t.newScan(nil).file(path)
	}
}

// await also watches a file that does not exist. If too many are awaited, the oldest one
// no longer is; if it exists now, it is followed.
func (t *tree) await(path string) {
	known := t.awaited.Has(path)
	oldest := t.awaited.Add(path, maxAwaited)
	if t.files[oldest] != nil && len(t.followed) < maxFiles {
		t.followed[oldest] = true
	}
	if !known {
		t.newScan(nil).file(path)
	}
}

// isHint reports whether an event is a hint that a file of interest changed.
func (t *tree) isHint(e fsnotify.Event) bool {
	if e.Op == fsnotify.Chmod {
		return false
	}
	if e.Has(fsnotify.Remove) || e.Has(fsnotify.Rename) {
		// The system may have stopped watching the folder, even if it exists
		// again.
		if in := t.watched[e.Name]; in != nil {
			in.lost = true
		}
	}
	in := t.watched[filepath.Dir(e.Name)]
	if in == nil {
		return t.watched[e.Name] != nil // a watched folder itself
	}
	name := filepath.Base(e.Name)
	switch {
	case in.names[name]:
		return true
	case !in.all || t.isIgnored(e.Name):
		return false
	case !temporary(name) || t.included(e.Name):
		return true
	}
	// A visible link may lead through a hidden one.
	info, err := os.Lstat(e.Name)
	return err == nil && info.Mode()&fs.ModeSymlink != 0 && !strings.HasPrefix(name, ".#")
}

// included reports whether a file is watched although its name is that of a
// temporary file.
func (t *tree) included(path string) bool {
	if t.options.Include == nil {
		return false
	}
	rel, err := filepath.Rel(t.options.Root, path)
	return err == nil && t.options.Include(filepath.ToSlash(rel))
}

// scan compares every file. It reads files with a hinted name even if their size
// and time have not changed.
func (t *tree) scan(hinted map[string]bool) (*scan, error) {
	t.scans++
	s := t.newScan(hinted)
	err := s.walk(t.options.Root)
	for _, paths := range []iter.Seq[string]{maps.Keys(t.followed), t.awaited.All()} {
		for path := range paths {
			if !s.seen[path] {
				s.file(path)
			}
		}
	}
	s.findMissing()
	s.unwatchUnused()
	return s, err
}

// markReported notes that a file was reported, so that its removal is reported
// too.
func (t *tree) markReported(path string) {
	if f := t.files[path]; f != nil {
		f.unreported = false
	}
}

// relative returns the paths relative to root, with slashes, sorted.
func relative(root string, paths map[string]bool) []string {
	var files []string
	for path := range paths {
		if rel, err := filepath.Rel(root, path); err == nil {
			path = rel
		}
		files = append(files, filepath.ToSlash(path))
	}
	slices.Sort(files)
	return files
}
