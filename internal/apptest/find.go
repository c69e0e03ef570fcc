package apptest

import (
	"io/fs"
	"path/filepath"
	"strings"
)

// Suffix ends the names of files of tests.
const Suffix = "_test.star"

// Find returns the files of tests in a folder and below it. Hidden folders and
// node_modules are left out.
func Find(folder string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != folder && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules"):
			return fs.SkipDir
		case !d.IsDir() && strings.HasSuffix(d.Name(), Suffix):
			files = append(files, path)
		}
		return nil
	})
	return files, err
}
