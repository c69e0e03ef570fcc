package devserver

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"asgibox/httpfront"
	"asgibox/internal/command"
	"asgibox/internal/console"
	"asgibox/internal/userfile"
	"asgibox/workerpool/script/explain"
)

// newLog returns the handler of the one log of the process.
func newLog(o *Options, w io.Writer) slog.Handler {
	if o.LogFormat == "json" {
		return slog.NewJSONHandler(w, &slog.HandlerOptions{Level: o.Level()})
	}
	return console.New(w, console.Options{Level: o.Level(), Color: command.InColor(w), Explain: explainLines})
}

// explainLines returns an error of the application as one line, and the lines that
// explain it.
func explainLines(err error, color bool) (line, more string) { return explain.Of(err).Split(color) }

// inspectedLog is a log handler that also shows warnings and errors in the
// inspector.
type inspectedLog struct {
	slog.Handler
	reporter *reporter
	attrs    []slog.Attr
}

func (h inspectedLog) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelWarn && ctx.Value(shown{}) == nil {
		h.reporter.pass(h.reporter.failureOfRecord(h.attrs, r))
	}
	return h.Handler.Handle(ctx, r)
}

func (h inspectedLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	h.attrs = append(h.attrs[:len(h.attrs):len(h.attrs)], attrs...)
	h.Handler = h.Handler.WithAttrs(attrs)
	return h
}

func (h inspectedLog) WithGroup(name string) slog.Handler {
	h.Handler = h.Handler.WithGroup(name)
	return h
}

// openAccessLog returns a function that logs each request and, with
// --access-log, writes a line for it. The caller closes the closer.
func openAccessLog(name string, log *slog.Logger, stdout io.Writer) (func(httpfront.Event), io.Closer, error) {
	logged := httpfront.LogAccess(log)
	var w io.Writer
	var closer io.Closer = io.NopCloser(nil)
	switch name {
	case "":
		return logged, closer, nil
	case "-":
		w = stdout
	default:
		f, err := userfile.Write(name, os.O_APPEND, userfile.Private)
		if err != nil {
			return nil, nil, fmt.Errorf("cannot write the access log: %w", err)
		}
		w, closer = f, f
	}
	var mu sync.Mutex // one line at a time
	return func(e httpfront.Event) {
		logged(e)
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintln(w, e.Common(time.Now()))
	}, closer, nil
}

// outputFiles returns the regular files that the outputs are. The watcher must
// ignore them: otherwise each log line would cause a reload, which logs a line.
func outputFiles(outputs ...io.Writer) []string {
	var files []string
	for _, w := range outputs {
		f := command.File(w)
		if f == nil {
			continue
		}
		if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
			continue
		}
		// /dev/stdout is a link to the file on systems that know its name.
		if path, err := filepath.EvalSymlinks(f.Name()); err == nil {
			files = append(files, path)
		}
	}
	return files
}
