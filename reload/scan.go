package reload

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// scan is one look at a tree, and what it found.
type scan struct {
	changed []string      // since the last look
	undone  []string      // new a short while ago and gone again
	wait    time.Duration // until something gone or empty counts as changed; zero if nothing is

	*tree
	now     time.Time
	number  int
	hinted  map[string]bool // names, not paths: a link leads to many paths
	seen    map[string]bool
	folders map[string]bool // real paths, so that links in a circle end
}

func (t *tree) start(hinted map[string]bool) *scan {
	return &scan{
		tree: t, now: time.Now(), number: t.looks, hinted: hinted,
		seen: make(map[string]bool, len(t.files)), folders: map[string]bool{},
	}
}

// walk looks at a folder and those in it, breadth first, through links.
func (s *scan) walk(root string) error {
	if _, err := os.Stat(root); err != nil {
		return err
	}
	queue := []string{root}
	for len(queue) > 0 {
		dir := queue[0]
		queue = queue[1:]
		if len(s.folders) >= maxFolders || len(s.seen) >= maxFiles {
			s.tellBound(dir)
			return nil
		}
		queue = append(queue, s.folder(dir)...)
	}
	return nil
}

// folder looks at the files of one folder and answers the folders in it. It
// is watched before it is read, so that nothing falls between the two.
func (s *scan) folder(dir string) (inner []string) {
	real, err := filepath.EvalSymlinks(dir)
	if err != nil || s.folders[real] {
		return nil
	}
	s.folders[real] = true
	s.interest(real).all = true
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if temporary(e.Name()) || s.ignored(path) || s.ignored(filepath.Join(real, e.Name())) {
			continue
		}
		mode := e.Type()
		if mode&fs.ModeSymlink != 0 {
			if info, err := os.Stat(path); err == nil {
				mode = info.Mode().Type()
			}
		}
		if mode.IsDir() {
			inner = append(inner, path)
		} else if mode.IsRegular() {
			s.file(path)
		}
	}
	return inner
}

// interest answers our interest in a folder, which it begins to watch if need be.
func (s *scan) interest(dir string) *interest {
	in := s.watched[dir]
	if in == nil || in.lost {
		if s.watch(dir) != nil {
			return &interest{} // not ours to keep: it is asked for again
		}
		in = &interest{names: map[string]bool{}}
		s.watched[dir] = in
	}
	if in.look != s.number {
		in.look, in.all = s.number, false
		clear(in.names)
	}
	return in
}

// file compares a file with what was last seen of it.
func (s *scan) file(path string) {
	s.through(path)
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return
	}
	s.seen[path] = true
	old := s.files[path]
	if old != nil && old.missing.IsZero() && old.emptied.IsZero() && !s.hinted[filepath.Base(path)] && old.unchanged(info) {
		return
	}
	sum, err := sum(path, info)
	if err != nil {
		// Unreadable now; if somebody is at work on it, soon no longer.
		if old != nil && !errors.Is(err, fs.ErrPermission) {
			s.young(0)
		}
		return
	}
	now := &file{info: info, read: s.now, sum: sum, fresh: old == nil || old.fresh}
	switch {
	case old == nil:
		s.changed = append(s.changed, path)
	case old.sum == sum:
	case info.Size() == 0 && s.mayFill(old):
		return
	default:
		s.changed = append(s.changed, path)
	}
	s.files[path] = now
}

// through watches where a link leads, and a followed file outside the tree.
func (s *scan) through(path string) {
	info, err := os.Lstat(path)
	link := err == nil && info.Mode()&fs.ModeSymlink != 0
	if link {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			s.name(real)
		}
	}
	if s.also[path] {
		s.name(path)
	}
}

func (s *scan) name(path string) {
	dir, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err != nil {
		return
	}
	if in := s.interest(dir); in.names != nil {
		in.names[filepath.Base(path)] = true
	}
}

// mayFill tells whether a file that was emptied is still expected to be
// written: opening with truncation comes a moment before the content.
func (s *scan) mayFill(f *file) bool {
	if f.emptied.IsZero() {
		f.emptied = s.now
	}
	return s.young(s.now.Sub(f.emptied))
}

// gone finds the files that are no longer there.
func (s *scan) gone() {
	for path, f := range s.files {
		if s.seen[path] {
			f.missing = time.Time{}
			continue
		}
		if real, err := filepath.EvalSymlinks(filepath.Dir(path)); s.ignored(path) || err == nil && s.ignored(filepath.Join(real, filepath.Base(path))) {
			delete(s.files, path)
			continue
		}
		if f.fresh {
			delete(s.files, path)
			s.undone = append(s.undone, path)
			continue
		}
		if f.missing.IsZero() {
			f.missing = s.now
		}
		if !s.young(s.now.Sub(f.missing)) {
			delete(s.files, path)
			s.changed = append(s.changed, path)
		}
	}
}

// young tells whether a state that has lasted so long may yet pass, and if so
// has the next look come when it no longer may.
func (s *scan) young(age time.Duration) bool {
	left := s.options.Patience - age
	if left <= 0 {
		return false
	}
	if s.wait == 0 || left < s.wait {
		s.wait = left
	}
	return true
}

// forget stops watching the folders that nothing leads to any more.
func (s *scan) forget() {
	for dir, in := range s.watched {
		if in.look != s.number {
			s.unwatch(dir)
			delete(s.watched, dir)
		}
	}
}

func (s *scan) tellBound(dir string) {
	if s.bounded {
		return
	}
	s.bounded = true
	s.options.Log.Warn("the folder holds too much to watch all of it; put the application in a folder of its own",
		"folder", s.options.Root, "folders", maxFolders, "files", maxFiles, "first_unwatched", dir)
}
