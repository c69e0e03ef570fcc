package python

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// TestExtractFromSeveralProcesses checks that callers at the same time get one
// complete folder, and that a damaged folder is written again.
func TestExtractFromSeveralProcesses(t *testing.T) {
	cache := useCache(t)
	var group sync.WaitGroup
	dirs := make([]string, 20)
	for i := range dirs {
		group.Go(func() {
			dir, err := Extract()
			if err != nil {
				t.Error(err)
			}
			dirs[i] = dir
		})
	}
	group.Wait()
	for _, dir := range dirs {
		if dir != dirs[0] {
			t.Fatalf("two folders: %s and %s", dir, dirs[0])
		}
	}
	host := filepath.Join(dirs[0], "asgibox", "_host.py")
	want, err := os.ReadFile(host)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(host, []byte("raise SystemExit"), 0o600); err != nil {
		t.Fatal(err)
	}
	if dir, err := Extract(); err != nil || dir != dirs[0] {
		t.Fatalf("Extract: %s, %v", dir, err)
	}
	if got, err := os.ReadFile(host); err != nil || string(got) != string(want) {
		t.Errorf("the damaged file was not written again: %v", err)
	}
	left, err := os.ReadDir(cache)
	if err != nil || len(left) != 1 {
		t.Errorf("the cache has %v, want one folder", left)
	}
}

// useCache lets Extract use a folder of the test, and returns it.
func useCache(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"XDG_CACHE_HOME", "HOME", "LocalAppData"} {
		t.Setenv(name, dir)
	}
	for _, name := range []string{"TMPDIR", "TMP"} {
		t.Setenv(name, filepath.Join(dir, "temporary"))
	}
	if err := os.Mkdir(filepath.Join(dir, "temporary"), 0o700); err != nil {
		t.Fatal(err)
	}
	return cacheFolders()[0]
}

// TestExtractWithoutAHome checks that a service without a home, or with one that it
// cannot write to, gets a folder for temporary files.
func TestExtractWithoutAHome(t *testing.T) {
	cache := useCache(t)
	if err := os.WriteFile(cache, nil, 0o600); err != nil { // no folder can be made there, not even by root
		t.Fatal(err)
	}
	dir, err := Extract()
	if err != nil || filepath.Dir(dir) != cacheFolders()[1] {
		t.Errorf("Extract: %s, %v", dir, err)
	}
}
