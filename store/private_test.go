//go:build !windows

package store

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestOnlyTheOwnerCanReadTheFiles(t *testing.T) {
	whole := filledFile(t)
	for name, content := range map[string][]byte{
		"new": nil, "made by an earlier version": whole, "damaged": whole[:len(whole)/2/4096*4096],
	} {
		t.Run(name, func(t *testing.T) {
			path := newPath(t)
			for file, b := range map[string][]byte{path: content, runPath(path): {}} {
				if b == nil {
					continue
				}
				if err := os.WriteFile(file, b, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			openAt(t, path, Options{})
			files := 0
			err := filepath.WalkDir(filepath.Dir(path), func(file string, e fs.DirEntry, err error) error {
				if err != nil || e.IsDir() {
					return err
				}
				files++
				info, err := e.Info()
				if err == nil && info.Mode().Perm() != 0o600 {
					t.Errorf("%s has mode %v", filepath.Base(file), info.Mode())
				}
				return err
			})
			if err != nil || files < 2 {
				t.Errorf("%d files, %v", files, err)
			}
		})
	}
}
