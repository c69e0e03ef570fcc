package cli

import (
	"log/slog"
	"strings"
	"testing"
)

func TestVerboseAndQuietSetTheLogLevel(t *testing.T) {
	for args, want := range map[string]slog.Level{"": slog.LevelInfo, "-v": slog.LevelDebug, "-q": slog.LevelWarn} {
		cmd := newRun()
		f := newFlags()
		if err := f.output().Parse(strings.Fields(args)); err != nil {
			t.Fatal(err)
		}
		o, err := f.finished(cmd)
		if err != nil {
			t.Fatal(err)
		}
		if got := o.Level(); got != want {
			t.Errorf("level with %q: %v, want %v", args, got, want)
		}
	}
}
