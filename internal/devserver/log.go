package devserver

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"asgibox/httpfront"
	"asgibox/internal/command"
	"asgibox/internal/console"
	"asgibox/internal/lineout"
	"asgibox/internal/userfile"
	"asgibox/workerpool/script/explain"
)

// newLog returns the handler of the one log of the process. An output that is not read
// holds up nobody.
func newLog(o *Options, w io.Writer) (h slog.Handler) {
	out := lineout.New(w, command.File(w), func(n int) {
		slog.New(h).Warn("lines of the log are missing here, because its output was not read", "lines", n)
	})
	if o.LogFormat == "json" {
		h = slog.NewJSONHandler(out, &slog.HandlerOptions{Level: o.Level()})
	} else {
		h = console.New(out, console.Options{Level: o.Level(), Color: command.InColor(w), Explain: explainLines})
	}
	return h
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
	out := lineout.New(w, command.File(w), func(n int) {
		log.Warn("lines of the access log are missing, because its output was not read", "lines", n)
	})
	return func(e httpfront.Event) {
		logged(e)
		fmt.Fprintln(out, e.Common(time.Now()))
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
