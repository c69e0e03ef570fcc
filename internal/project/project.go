// Package project writes the files of a new project.
package project

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Create writes files, whose names are paths with slashes, into the folder dir. It
// creates the folder if necessary, and never overwrites a file. If Create fails,
// it leaves nothing behind.
func Create(dir string, files map[string][]byte) error {
	var made created
	err := made.folder(dir)
	if err == nil {
		err = made.files(dir, files)
	}
	if err != nil {
		return errors.Join(err, made.remove())
	}
	return nil
}

// created has the paths of what was created, in order.
type created []string

// folder creates a folder and those above it that are missing.
func (c *created) folder(dir string) error {
	switch info, err := os.Stat(dir); {
	case err == nil && info.IsDir():
		return nil
	case err == nil:
		return fmt.Errorf("%s is a file; choose another folder", dir)
	case !errors.Is(err, fs.ErrNotExist):
		return failed(dir, err)
	}
	if above := filepath.Dir(dir); above != dir {
		if err := c.folder(above); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return failed(dir, err)
	}
	*c = append(*c, dir)
	return nil
}

// files creates files and the folders that they are in. It does not follow links
// that lead out of dir.
func (c *created) files(dir string, files map[string][]byte) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return failed(dir, err)
	}
	defer root.Close()
	names := slices.Sorted(maps.Keys(files))
	if existing := existing(root, names); len(existing) > 0 {
		return fmt.Errorf("these files in %s would be overwritten: %s; choose another folder", dir, strings.Join(existing, ", "))
	}
	for _, name := range names {
		if err := c.file(root, filepath.FromSlash(name), files[name]); err != nil {
			return failed(filepath.Join(dir, filepath.FromSlash(name)), err)
		}
	}
	return nil
}

// existing returns the paths in root of the files that exist, and of files that
// are in the place of a folder.
func existing(root *os.Root, names []string) []string {
	found := map[string]bool{}
	for _, name := range names {
		name = filepath.FromSlash(name)
		if _, err := root.Lstat(name); err == nil {
			found[name] = true
		}
		for folder := filepath.Dir(name); folder != "."; folder = filepath.Dir(folder) {
			if info, err := root.Stat(folder); err == nil && !info.IsDir() {
				found[folder] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// file creates a file and the folders in root that it is in.
func (c *created) file(root *os.Root, name string, content []byte) error {
	if err := c.folderIn(root, filepath.Dir(name)); err != nil {
		return err
	}
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	*c = append(*c, filepath.Join(root.Name(), name))
	_, err = f.Write(content)
	return errors.Join(err, f.Close())
}

func (c *created) folderIn(root *os.Root, name string) error {
	if _, err := root.Stat(name); !errors.Is(err, fs.ErrNotExist) {
		return err // nil, or for a link out of the folder
	}
	if err := c.folderIn(root, filepath.Dir(name)); err != nil {
		return err
	}
	if err := root.Mkdir(name, 0o755); err != nil {
		return err
	}
	*c = append(*c, filepath.Join(root.Name(), name))
	return nil
}

// remove removes what was created, the newest first.
func (c created) remove() error {
	var left error
	for _, name := range slices.Backward(c) {
		if err := os.Remove(name); err != nil {
			left = errors.Join(left, fmt.Errorf("an incomplete project is left: %w", err))
		}
	}
	return left
}

// failed returns an error for a path that could not be created.
func failed(name string, err error) error {
	var inner *fs.PathError
	if errors.As(err, &inner) {
		err = inner.Err // its path may be relative to the project
	}
	return fmt.Errorf("%s cannot be created: %w", name, err)
}
