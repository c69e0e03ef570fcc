// Package python holds the Python package asgibox, which Python programs use to reach
// the channel layer and which runs Python applications in child processes.
package python

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

//go:embed asgibox/*.py asgibox/py.typed
var files embed.FS

// Extract writes the Python package into a folder that only the user can access,
// unless it is there already, and returns the folder that contains the package. The
// folder stays, so that Python compiles the package only once. Its name depends on
// the files, so versions do not disturb each other. Several processes may call
// Extract at the same time.
func Extract() (string, error) {
	var failed []error
	for _, cache := range cacheFolders() {
		err := os.MkdirAll(cache, 0o700)
		if err == nil {
			if err := checkPrivate(cache); err != nil {
				return "", fmt.Errorf("write asgibox's Python package: %w", err)
			}
			var dir string
			if dir, err = extract(cache); err == nil {
				return dir, nil
			}
		}
		failed = append(failed, err)
	}
	return "", fmt.Errorf("write asgibox's Python package into a cache folder: %w", errors.Join(failed...))
}

// extract writes the package into a folder in a cache folder.
func extract(cache string) (string, error) {
	content, err := contents()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "python-"+key(content))
	if complete(dir, content) {
		return dir, nil
	}
	unfinished, err := os.MkdirTemp(cache, "unfinished-*")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(unfinished)
	for name, text := range content {
		file := filepath.Join(unfinished, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			return "", err
		}
		if err := os.WriteFile(file, text, 0o600); err != nil {
			return "", err
		}
	}
	for range 3 {
		err := os.Rename(unfinished, dir)
		if err == nil || complete(dir, content) {
			return dir, nil // this process or another one has written it
		}
		if !errors.Is(err, fs.ErrExist) {
			return "", err
		}
		if err := os.RemoveAll(dir); err != nil { // it is damaged
			return "", err
		}
	}
	return "", fmt.Errorf("%s is damaged and cannot be replaced; remove it", dir)
}

// cacheFolders returns folders for files of this program that no other user may
// access: that of the user and, because a service may have no home or one that it
// cannot write to, one for temporary files.
func cacheFolders() []string {
	folders := []string{filepath.Join(os.TempDir(), "asgibox-"+strconv.Itoa(os.Getuid()))}
	if dir, err := os.UserCacheDir(); err == nil {
		folders = slices.Insert(folders, 0, filepath.Join(dir, "asgibox"))
	}
	return folders
}

// contents returns the files of the package by their slash-separated paths.
func contents() (map[string][]byte, error) {
	content := map[string][]byte{}
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content[name], err = files.ReadFile(name)
		return err
	})
	return content, err
}

// key returns a name for the files.
func key(content map[string][]byte) string {
	sum := sha256.New()
	for _, name := range names(content) {
		fmt.Fprintf(sum, "%s %d\n", name, len(content[name]))
		sum.Write(content[name])
	}
	return fmt.Sprintf("%x", sum.Sum(nil)[:8])
}

// names returns the paths of the files in order.
func names(content map[string][]byte) []string {
	return slices.Sorted(maps.Keys(content))
}

// complete reports whether a folder has exactly these files.
func complete(dir string, content map[string][]byte) bool {
	for name, text := range content {
		found, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		if err != nil || !bytes.Equal(found, text) {
			return false
		}
	}
	entries, err := os.ReadDir(filepath.Join(dir, "asgibox"))
	if err != nil {
		return false
	}
	for _, e := range entries {
		if e.Name() != "__pycache__" && content["asgibox/"+e.Name()] == nil {
			return false
		}
	}
	return true
}

// Start returns the program for Python's option -c that runs an application, given
// the folder that Extract has returned. Its arguments are those of asgibox._host. The
// current folder, which -c puts first on Python's path, is not on the path, so no file
// there can replace a module of the standard library.
func Start(dir string) string {
	return "import sys; sys.path[:1] = [" + strconv.QuoteToASCII(dir) + "]; from asgibox._host import main; main()"
}
