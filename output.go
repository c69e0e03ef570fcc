package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"asgibox/httpfront"
	"asgibox/internal/console"
	"asgibox/workerpool/script/explain"
)

// level is the least that is logged.
func (o *options) level() slog.Level {
	switch {
	case o.quiet:
		return slog.LevelWarn
	case o.verbose > 0:
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

// newLog is the one log of the process.
func (o *options) newLog(w io.Writer, explain func(error, bool) (string, string)) *slog.Logger {
	if o.logFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: o.level()}))
	}
	return slog.New(console.New(w, console.Options{Level: o.level(), Color: inColor(w), Explain: explain}))
}

// explain tells an error of the application in one line, and then all that is
// known of it.
func (s *server) explain(err error, color bool) (line, more string) {
	if s.loader == nil {
		return err.Error(), ""
	}
	return told(s.loader.Explain(err), color)
}

// told is an explanation as one line, and the lines that follow it.
func told(e explain.Explanation, color bool) (line, more string) {
	if len(e.Frames) == 0 && len(e.More) == 0 {
		return e.Line(), ""
	}
	more = e.Text(color)
	if len(e.More) == 0 {
		// What the line has said already.
		_, more, _ = strings.Cut(more, "\n\n")
	}
	return e.Line(), more
}

// written answers the files that outputs go to. Started with its output sent
// to a file beside the application, the program would take each line that it
// writes for a change, say that it reloaded, and so on without end.
func written(outputs ...io.Writer) []string {
	var files []string
	for _, w := range outputs {
		f, ok := w.(*os.File)
		if !ok {
			continue
		}
		if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
			continue
		}
		// /dev/stdout leads to the file where the system knows.
		if path, err := filepath.EvalSymlinks(f.Name()); err == nil {
			files = append(files, path)
		}
	}
	return files
}

// inColor tells whether somebody sees what is written, and likes colour.
func inColor(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// access hears of every request: the log does, and the access log if there is
// one. Closing it is the caller's.
func (o *options) access(log *slog.Logger, stdout io.Writer) (func(httpfront.Event), io.Closer, error) {
	told := httpfront.LogAccess(log)
	var w io.Writer
	var closer io.Closer = io.NopCloser(nil)
	switch o.accessLog {
	case "":
		return told, closer, nil
	case "-":
		w = stdout
	default:
		f, err := os.OpenFile(o.accessLog, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
		if err != nil {
			return nil, nil, fmt.Errorf("cannot write the access log: %w", err)
		}
		w, closer = f, f
	}
	var mu sync.Mutex // one line at a time
	return func(e httpfront.Event) {
		told(e)
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintln(w, e.Common(time.Now()))
	}, closer, nil
}

// banner tells whoever started the server what there is to know.
func (s *server) banner() {
	if s.options.logFormat == "json" {
		s.log.Info("listening", "urls", s.urls, "app", s.app, "store", s.options.storePath)
		return
	}
	if s.options.quiet {
		return
	}
	var b strings.Builder
	row := func(name, value string) { fmt.Fprintf(&b, "  %-10s %s\n", name, value) }
	fmt.Fprintf(&b, "asgibox %s\n\n", version())
	if s.options.noWorkers {
		row("app", "none here (--no-workers)")
	} else {
		row("app", s.app)
	}
	for _, url := range s.urls {
		row("open", url)
	}
	if s.packets != nil {
		row("datagrams", s.packets.LocalAddr().String())
	}
	if c := s.control.Load(); c != nil {
		row("look", c.url())
	}
	row("kept", s.kept())
	if s.keyboard != nil {
		row("stop", keysHelp(s.control.Load() != nil))
	} else {
		row("stop", "Ctrl-C")
	}
	fmt.Fprintln(s.stderr, b.String())
}

// kept says in words what outlives the process.
func (s *server) kept() string {
	if s.options.storePath == memoryStore {
		return "nothing (--store memory)"
	}
	return "queued work, groups, sessions and state, in " + s.options.storePath
}
