package store

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLinksToMissingFilesAreErrors(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(dir, "link")
	if err := os.Symlink(filepath.Join(dir, "missing"), link); err != nil {
		t.Skip("this system cannot make links:", err)
	}
	for _, path := range []string{link, filepath.Join(link, "channels.db"), filepath.Join(link, "a", "channels.db")} {
		s, err := Open(path, Options{})
		if err == nil {
			t.Fatal("opened", path, s.Close(t.Context()))
		}
		if !strings.Contains(err.Error(), link+" is a link to "+filepath.Join(dir, "missing")+", which does not exist") {
			t.Errorf("%s: %v", path, err)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("the folder has %v, %v", left, err)
	}
}
