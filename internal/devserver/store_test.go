package devserver

import (
	"os"
	"strings"
	"testing"
)

// TestAPathThatLooksLikeStoreMemoryIsExplained uses the name of a store without a file as
// that of a folder.
func TestAPathThatLooksLikeStoreMemoryIsExplained(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, path := range []string{"memory/", "./memory/", "./memory"} {
		s := &server{options: Options{DataFile: path}}
		err := s.openStore(t.Context())
		if err == nil || !strings.Contains(err.Error(), "folder") || !strings.HasSuffix(err.Error(), "; to save nothing, pass --store memory") {
			t.Errorf("%s: %v", path, err)
		}
		if err := os.MkdirAll("memory", 0o755); err != nil { // for the last one
			t.Fatal(err)
		}
	}
}
