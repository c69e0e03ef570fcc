package store

import (
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
