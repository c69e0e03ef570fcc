package reload

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/fsnotify/fsnotify"
)

// maxFolders and maxFiles bound what is watched, nearest to the root first: an
// application that lies in a home folder must not make us read all of it.
const (
	maxFolders = 2_000
	maxFiles   = 20_000
)

// tree is what was last seen of the files, under the paths an application
// would open them by.
type tree struct {
	options Options
	mu      sync.Mutex      // guards ignore, which others than Run's goroutine add to
	ignore  map[string]bool // by path
	also    map[string]bool // followed files
	files   map[string]*file
	watched map[string]*interest // by real folder
	watch   func(dir string) error
	unwatch func(dir string)
	bounded bool // the bound was met and told
	looks   int  // scans so far
}

// interest is what concerns us in a watched folder: everything, or some names.
type interest struct {
	all   bool
	names map[string]bool
	look  int // the scan that last wanted it
	lost  bool
}

func newTree(o Options) *tree {
	t := &tree{
		options: o, ignore: map[string]bool{}, also: map[string]bool{},
		files: map[string]*file{}, watched: map[string]*interest{},
		watch: func(string) error { return nil }, unwatch: func(string) {},
	}
	for _, path := range o.Ignore {
		t.pass(path)
	}
	return t
}

// pass has a file or folder count as nobody's.
func (t *tree) pass(path string) {
	abs, err := filepath.Abs(path)
	if err != nil || path == "" {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ignore[abs] = true
	if real, err := filepath.EvalSymlinks(filepath.Dir(abs)); err == nil {
		t.ignore[filepath.Join(real, filepath.Base(abs))] = true
	}
}

func (t *tree) ignored(path string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.ignore[path]
}

// follow adds a file to those watched and notes how it is now.
func (t *tree) follow(path string) {
	if t.also[path] || t.files[path] != nil {
		return
	}
	t.also[path] = true
	t.start(nil).file(path)
}

// concerns tells whether an event is a hint.
func (t *tree) concerns(e fsnotify.Event) bool {
	if e.Op == fsnotify.Chmod {
		return false
	}
	if e.Has(fsnotify.Remove) || e.Has(fsnotify.Rename) {
		// The system may have stopped watching it, even if it comes back.
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
	case !in.all || t.ignored(e.Name):
		return false
	case !temporary(name):
		return true
	}
	// A hidden link may be what visible ones go through.
	info, err := os.Lstat(e.Name)
	return err == nil && info.Mode()&fs.ModeSymlink != 0 && !strings.HasPrefix(name, ".#")
}

// scan looks at every file. Files with a hinted name are read whatever their
// times say.
func (t *tree) scan(hinted map[string]bool) (*scan, error) {
	t.looks++
	s := t.start(hinted)
	err := s.walk(t.options.Root)
	for path := range t.also {
		if !s.seen[path] {
			s.file(path)
		}
	}
	s.gone()
	s.forget()
	return s, err
}

// told has a file count as one that somebody knows of: it is missed when it
// goes.
func (t *tree) told(path string) {
	if f := t.files[path]; f != nil {
		f.fresh = false
	}
}

// relative writes paths as a person who stands in root would.
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
