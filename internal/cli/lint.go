package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"asgibox/internal/command"
	"asgibox/internal/console"
	"asgibox/internal/devserver"
	"asgibox/internal/flagvalue"
	"asgibox/internal/logkey"
	"asgibox/store"
	"asgibox/workerpool/script"
	"asgibox/workerpool/script/explain"
)

// lint loads an application without serving it.
type lint struct {
	json, strict bool
	settings     []flagvalue.Setting

	app      string
	warnings []problem
}

// A problem is an error or a warning about the application.
type problem struct {
	Level   string `json:"level"` // error or warning
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

func (l *lint) addFlags(cmd *cobra.Command) {
	g := cmd.Flags()
	g.BoolVar(&l.json, "json", false, "write JSON")
	g.BoolVar(&l.strict, "strict", false, "treat warnings as errors")
	g.Var(flagvalue.List[flagvalue.Setting]{To: &l.settings, Parse: flagvalue.ParseSetting, Kind: "name=value"}, "set", "setting for the application; may be repeated")
}

// open prepares a loader, on a layer of its own, and a context that limits the
// time of the load. The limit is shorter than a server's minute because editors
// run check and wait for it.
func (l *lint) open(cmd *cobra.Command, args []string) (ctx context.Context, _ *script.Loader, end func(), err error) {
	if l.app, err = starlark(cmd.Name(), args); err != nil {
		return nil, nil, nil, err
	}
	if err := devserver.CheckFile(l.app); err != nil {
		return nil, nil, nil, err
	}
	layer := store.Memory(store.Options{})
	loader := script.NewLoader(l.app, script.Options{
		Layer: layer, Strict: l.strict, Settings: settingsMap(l.settings), Log: slog.New(warningHandler{l}),
	})
	const limit = 20 * time.Second
	ctx, cancel := context.WithTimeoutCause(cmd.Context(), limit, fmt.Errorf("loading took longer than %v", limit))
	return ctx, loader, func() {
		cancel()
		_ = layer.Close(context.Background()) // it holds nothing to save
	}, nil
}

// warningHandler is a slog.Handler that collects warnings.
type warningHandler struct{ lint *lint }

func (warningHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn
}
func (h warningHandler) WithAttrs([]slog.Attr) slog.Handler { return h }
func (h warningHandler) WithGroup(string) slog.Handler      { return h }

// Handle adds a warning, with the file and line that it is about.
func (h warningHandler) Handle(_ context.Context, r slog.Record) error {
	p := problem{Level: "warning", File: h.lint.app, Message: r.Message}
	r.Attrs(func(a slog.Attr) bool {
		if a.Key != logkey.At {
			return true
		}
		if file, line, ok := strings.Cut(a.Value.String(), ":"); ok {
			p.File = h.lint.path(file)
			_, _ = fmt.Sscan(line, &p.Line) // without a number there is no line
		}
		return false
	})
	h.lint.warnings = append(h.lint.warnings, p)
	return nil
}

// path returns the path of a file of the application from the current folder.
func (l *lint) path(file string) string {
	return filepath.Join(filepath.Dir(l.app), filepath.FromSlash(file))
}

// explain explains an error, with paths from the current folder.
func (l *lint) explain(err error) explain.Explanation {
	return explain.Of(err).In(filepath.Dir(l.app))
}

func (l *lint) printWarnings(w io.Writer) {
	for _, p := range l.warnings {
		place := p.File
		if p.Line > 0 {
			place = fmt.Sprintf("%s:%d", p.File, p.Line)
		}
		fmt.Fprintln(w, console.Printable(place+": warning: "+p.Message))
	}
}

// printError prints an error: first a line that editors understand, then the
// source lines around the place of the error.
func (l *lint) printError(w io.Writer, err error) error {
	printExplanation(w, l.explain(err), command.InColor(w))
	return &command.ExitError{Status: 1}
}

func printExplanation(w io.Writer, e explain.Explanation, color bool) {
	line, more := e.Split(color)
	fmt.Fprintln(w, line)
	if more != "" {
		fmt.Fprintln(w, strings.TrimRight(more, "\n"))
	}
}

// writeProblems writes all problems as JSON.
func (l *lint) writeProblems(w io.Writer, err error) error {
	problems := append([]problem{}, l.warnings...)
	if err != nil {
		e := l.explain(err)
		for _, e := range append([]explain.Explanation{e}, e.More...) {
			p := problem{Level: "error", File: l.app, Message: e.Message, Hint: e.Hint}
			if f, ok := e.Place(); ok {
				p.File, p.Line, p.Column = f.File, f.Line, f.Col
			}
			problems = append(problems, p)
		}
	}
	failed := command.WriteJSON(w, struct {
		OK       bool      `json:"ok"`
		Problems []problem `json:"problems"`
	}{err == nil, problems})
	if failed != nil || err == nil {
		return failed
	}
	return &command.ExitError{Status: 1}
}
