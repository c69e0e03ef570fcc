package apptest

import (
	"context"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"

	"asgibox/internal/console"
	"asgibox/internal/logkey"
	"asgibox/workerpool/script/explain"
)

// maxOutput is how much output of a test is kept, in bytes.
const maxOutput = 1 << 20

// An output keeps what the application prints and logs during a test.
type output struct {
	mu    sync.Mutex // guards the rest
	text  strings.Builder
	ended bool
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.ended && o.text.Len()+len(b) <= maxOutput {
		o.text.Write(b)
	}
	return len(b), nil
}

// end drops all that is written from now on.
func (o *output) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = true
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// newLog returns the log of the server of a test. Errors have paths from the
// current folder.
func newLog(w io.Writer, app string) *slog.Logger {
	return slog.New(sameEveryTime{console.New(w, console.Options{Explain: func(err error, color bool) (string, string) {
		return explain.Of(err).In(filepath.Dir(app)).Split(color)
	}})})
}

// sameEveryTime is a handler that drops attributes that differ from run to run or
// say nothing in a test.
type sameEveryTime struct{ slog.Handler }

func (h sameEveryTime) Handle(ctx context.Context, r slog.Record) error {
	kept := slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
	r.Attrs(func(a slog.Attr) bool {
		if keep(a) {
			kept.AddAttrs(a)
		}
		return true
	})
	return h.Handler.Handle(ctx, kept)
}

func (h sameEveryTime) WithAttrs(attrs []slog.Attr) slog.Handler {
	var kept []slog.Attr
	for _, a := range attrs {
		if keep(a) {
			kept = append(kept, a)
		}
	}
	return sameEveryTime{h.Handler.WithAttrs(kept)}
}

func (h sameEveryTime) WithGroup(name string) slog.Handler {
	return sameEveryTime{h.Handler.WithGroup(name)}
}

func keep(a slog.Attr) bool { return a.Key != logkey.Trace && a.Key != logkey.Generation }
