//go:build !windows

package e2e

import (
	"io/fs"
	"path/filepath"
	"testing"
)

func TestOnlyTheOwnerCanReadWhatTheServerWrites(t *testing.T) {
	data := t.TempDir()
	p := start(t, chatApp, "--store", filepath.Join(data, "a.db"), "--access-log", filepath.Join(data, "access.txt"), "--tls")
	p.waitFor(`generation 1`)
	files := 0
	for _, folder := range []string{data, filepath.Join(p.dir, ".asgibox")} {
		err := filepath.WalkDir(folder, func(file string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			files++
			info, err := e.Info()
			if err == nil && info.Mode().Perm() != 0o600 {
				t.Errorf("%s has mode %v", file, info.Mode())
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
	if files < 5 { // a.db, a.db.run, access.txt, and the certificate and its key
		t.Errorf("%d files", files)
	}
}
