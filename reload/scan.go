package reload

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"asgibox/internal/logkey"
)

// scan is one scan of a tree, and its results.
type scan struct {
	changed []string      // since the last scan
	undone  []string      // new files that are gone again before they were reported
	wait    time.Duration // until a missing or empty file counts as changed; zero if there is none

	*tree
	now     time.Time
	number  int
	hinted  map[string]bool // names, not paths, because links give a file many paths
	seen    map[string]bool
	folders map[string]bool // by real path, so that a circle of links ends
	unread  []string        // folders that could not be read: nothing is known about their files
}

func (t *tree) newScan(hinted map[string]bool) *scan {
	return &scan{
		tree: t, now: time.Now(), number: t.scans, hinted: hinted,
		seen: make(map[string]bool, len(t.files)), folders: map[string]bool{},
	}
}

// walk scans a folder and its subfolders, breadth first. It follows links.
func (s *scan) walk(root string) error {
	if _, err := os.Stat(root); err != nil {
		return err
	}
	queue := []string{root}
	for len(queue) > 0 {
		dir := queue[0]
		queue = queue[1:]
		if len(s.folders) >= maxFolders || len(s.seen) >= maxFiles {
			s.reportLimit(dir)
			return nil
		}
		queue = append(queue, s.folder(dir)...)
	}
	return nil
}

// folder scans the files of one folder and returns its subfolders. It watches
// the folder before it reads it, so that no change is lost in between.
func (s *scan) folder(dir string) (inner []string) {
	real, err := filepath.EvalSymlinks(dir)
	if err != nil || s.folders[real] {
		s.noteUnread(dir, err)
		return nil
	}
	s.folders[real] = true
	s.interest(real).all = true
	entries, err := os.ReadDir(dir)
	if err != nil {
		s.noteUnread(dir, err)
		return nil
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if temporary(e.Name()) && (e.IsDir() || !s.included(path)) || s.isIgnored(path) || s.isIgnored(filepath.Join(real, e.Name())) {
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

// noteUnread notes that an error prevented reading a folder, for example because
// too many files are open. A folder that is gone or must not be read has no
// files.
func (s *scan) noteUnread(dir string, err error) {
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
		s.unread = append(s.unread, dir)
	}
}

// isUnread reports whether a file is below a folder that could not be read.
func (s *scan) isUnread(path string) bool {
	return slices.ContainsFunc(s.unread, func(dir string) bool {
		return strings.HasPrefix(path, dir+string(filepath.Separator))
	})
}

// interest returns the interest in a folder, and watches the folder if it is not
// watched yet.
func (s *scan) interest(dir string) *interest {
	in := s.watched[dir]
	if in == nil || in.lost {
		if s.watch(dir) != nil {
			return &interest{} // not stored: the next scan tries again
		}
		in = &interest{names: map[string]bool{}}
		s.watched[dir] = in
	}
	if in.lastScan != s.number {
		in.lastScan, in.all = s.number, false
		clear(in.names)
	}
	return in
}

// file compares a file with its last known state.
func (s *scan) file(path string) {
	s.watchTarget(path)
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
		// Another program may have it locked while it writes.
		if old != nil && !errors.Is(err, fs.ErrPermission) {
			s.mayPass(0)
		}
		return
	}
	now := &file{info: info, read: s.now, sum: sum, unreported: old == nil || old.unreported}
	switch {
	case old == nil:
		s.changed = append(s.changed, path)
	case old.sum == sum:
	case info.Size() == 0 && s.mayBeFilled(old):
		return
	default:
		s.changed = append(s.changed, path)
	}
	s.files[path] = now
}

// watchTarget watches the target of a link, and a followed file outside the
// tree.
func (s *scan) watchTarget(path string) {
	info, err := os.Lstat(path)
	link := err == nil && info.Mode()&fs.ModeSymlink != 0
	if link {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			s.watchName(real)
		}
	}
	if s.followed[path] || s.awaited.Has(path) {
		s.watchName(path)
	}
}

// watchName watches one name in the folder of path.
func (s *scan) watchName(path string) {
	dir, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err != nil {
		return
	}
	if in := s.interest(dir); in.names != nil {
		in.names[filepath.Base(path)] = true
	}
}

// mayBeFilled reports whether an emptied file may still get content. A program
// that writes in place first truncates the file.
func (s *scan) mayBeFilled(f *file) bool {
	if f.emptied.IsZero() {
		f.emptied = s.now
	}
	return s.mayPass(s.now.Sub(f.emptied))
}

// findMissing finds the files that no longer exist.
func (s *scan) findMissing() {
	for path, f := range s.files {
		if s.seen[path] {
			f.missing = time.Time{}
			continue
		}
		if s.isUnread(path) {
			continue
		}
		if real, err := filepath.EvalSymlinks(filepath.Dir(path)); s.isIgnored(path) || err == nil && s.isIgnored(filepath.Join(real, filepath.Base(path))) {
			delete(s.files, path)
			continue
		}
		if f.unreported {
			delete(s.files, path)
			s.undone = append(s.undone, path)
			continue
		}
		if f.missing.IsZero() {
			f.missing = s.now
		}
		if !s.mayPass(s.now.Sub(f.missing)) {
			delete(s.files, path)
			s.changed = append(s.changed, path)
		}
	}
}

// mayPass reports whether a state that has lasted for age may still be
// temporary. If so, it sets wait to the time until it no longer may be.
func (s *scan) mayPass(age time.Duration) bool {
	left := s.options.Patience - age
	if left <= 0 {
		return false
	}
	if s.wait == 0 || left < s.wait {
		s.wait = left
	}
	return true
}

// unwatchUnused stops watching the folders that this scan did not need. A scan
// that could not read a folder does not know which it needs.
func (s *scan) unwatchUnused() {
	if len(s.unread) > 0 {
		return
	}
	for dir, in := range s.watched {
		if in.lastScan != s.number {
			s.unwatch(dir)
			delete(s.watched, dir)
		}
	}
}

func (s *scan) reportLimit(dir string) {
	if s.limitReported {
		return
	}
	s.limitReported = true
	s.options.Log.Warn("too many files to watch all of them; move the application to a folder of its own",
		logkey.Folder, s.options.Root, "folders", maxFolders, "files", maxFiles, "first_unwatched", dir)
}
