package store

import (
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Files returns the paths of the files that a store at path has, may have, and
// has renamed.
func Files(path string) []string {
	files := []string{path, runPath(path), compactPath(path)}
	folder, name := filepath.Split(path)
	entries, _ := os.ReadDir(filepath.Clean(folder)) // without them there are no renamed files
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), name+damagedSuffix) {
			files = append(files, folder+e.Name())
		}
	}
	return files
}

// IsSecret reports whether the content of a file is that of a database, like the
// file of a store, or of the .run file beside a store. So it recognizes the files
// of stores that other processes use or have left, under any name.
func IsSecret(f io.ReaderAt) bool {
	if containsMagic(f) {
		return true
	}
	var start [len(runStart)]byte
	if _, err := f.ReadAt(start[:], 0); err != nil || string(start[:]) != runStart {
		return false
	}
	content, err := io.ReadAll(io.NewSectionReader(f, 0, maxRunFile))
	return err == nil && hasRunInfo(content)
}
