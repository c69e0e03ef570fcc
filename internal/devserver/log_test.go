package devserver

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestOutputFilesAreFound(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "out.txt")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if got := outputFiles(f, new(bytes.Buffer), w); !slices.Equal(got, []string{path}) {
		t.Errorf("got %q", got)
	}
}
