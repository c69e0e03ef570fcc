//go:build unix

package python

import (
	"os"
	"strings"
	"testing"
)

// TestExtractRefusesAFolderOfOthers checks that no other user can put Python code
// where asgibox runs it.
func TestExtractRefusesAFolderOfOthers(t *testing.T) {
	cache := useCache(t)
	dir, err := Extract()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{cache, dir} {
		if info, err := os.Stat(d); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s has mode %v, %v", d, info.Mode(), err)
		}
	}
	if err := os.Chmod(cache, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := Extract(); err == nil || !strings.Contains(err.Error(), "other users may write") {
		t.Errorf("Extract into a folder that anyone can write: %v", err)
	}
}
