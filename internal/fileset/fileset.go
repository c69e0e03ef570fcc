// Package fileset remembers the files that an application uses. The memory for them
// has a limit, because a client may choose names, for example those of templates.
package fileset

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"asgibox/internal/recent"
)

const (
	// maxFiles is the largest number of files that a set remembers.
	maxFiles = 20_000
	// maxMissing is how many files that do not exist a set remembers: the newest.
	maxMissing = 1_000
	// maxPath is the length of the longest path that is remembered, in bytes.
	maxPath = 4096
)

// A Set is a set of paths. The zero Set is empty. It is safe for concurrent use.
type Set struct {
	mu      sync.Mutex // guards the rest
	files   map[string]bool
	missing recent.Names
}

// Keep adds a file, whether it exists or not, until the set has its largest size. It
// reports whether the set has got it.
func (s *Set) Keep(path string) (added bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.files[path] || len(s.files) >= maxFiles || len(path) > maxPath {
		return false
	}
	if s.files == nil {
		s.files = map[string]bool{}
	}
	s.files[path] = true
	return true
}

// Add is like Keep if the file exists. Otherwise the set remembers the file only until
// too many others are missing.
func (s *Set) Add(path string) (added, missing bool) {
	if _, err := os.Lstat(path); err == nil {
		return s.Keep(path), false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.missing.Has(path) || len(path) > maxPath {
		return false, true
	}
	s.missing.Add(path, maxMissing)
	return true, true
}

// Has reports whether the set remembers a file, or a folder that the file is in.
func (s *Set) Has(path string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		if s.files[path] || s.missing.Has(path) {
			return true
		}
		folder := filepath.Dir(path)
		if folder == path {
			return false
		}
		path = folder
	}
}

// Kept returns the files that the set does not forget.
func (s *Set) Kept() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.files))
}
