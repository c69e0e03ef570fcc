package devserver

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestFilesThatTheOutputGoesToAreKnown(t *testing.T) {
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
	if got := written(f, new(bytes.Buffer), w); !slices.Equal(got, []string{path}) {
		t.Errorf("got %q", got)
	}
}

func TestVerboseSaysMoreAndQuietSaysLess(t *testing.T) {
	for args, want := range map[string]slog.Level{"": slog.LevelInfo, "-v": slog.LevelDebug, "-q": slog.LevelWarn} {
		o := defaultOptions()
		flags := o.output()
		if err := flags.Parse(strings.Fields(args)); err != nil {
			t.Fatal(err)
		}
		if got := o.level(); got != want {
			t.Errorf("with %q from %v on, not %v", args, got, want)
		}
	}
}
