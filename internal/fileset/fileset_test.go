package fileset

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestMissingFilesAreForgottenAndOthersAreNot(t *testing.T) {
	dir := t.TempDir()
	page, absent := filepath.Join(dir, "page.html"), filepath.Join(dir, ".env")
	if err := os.WriteFile(page, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var s Set
	add := func(path string, added, missing bool) {
		t.Helper()
		if a, m := s.Add(path); a != added || m != missing {
			t.Fatalf("Add %s: got %v, %v", path, a, m)
		}
	}
	add(page, true, false)
	add(page, false, false)
	if !s.Keep(absent) || s.Keep(absent) {
		t.Error("a file was not kept once")
	}
	name := func(i int) string { return filepath.Join(dir, fmt.Sprint(i)) }
	for i := range 3 * maxMissing {
		add(name(i), true, true)
		add(name(i), false, true)
		if !s.Has(name(i)) {
			t.Fatalf("%s is not remembered", name(i))
		}
	}
	if !s.Has(page) || !s.Has(absent) || s.Has(name(0)) || !s.Has(name(2*maxMissing)) {
		t.Error("the wrong files are remembered")
	}
	if n := len(slices.Collect(s.missing.All())); n != maxMissing {
		t.Errorf("%d missing files are remembered", n)
	}
	if !s.Has(filepath.Join(name(2*maxMissing), "a", "b")) || s.Has(filepath.Join(name(0), "a")) {
		t.Error("a file in a folder that was missing is not found")
	}
	long := strings.Repeat("a", maxPath+1)
	if add(long, false, true); s.Keep(long) || s.Has(long) {
		t.Error("a very long path is remembered")
	}
	for i := range 2 * maxFiles {
		s.Keep(name(i))
	}
	if len(s.files) != maxFiles {
		t.Errorf("%d files are remembered", len(s.files))
	}
}
