package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"asgibox/internal/flagvalue"
	"asgibox/store"
	"asgibox/workerpool/script"
	"asgibox/workerpool/script/explain"
)

// newCheck is the command that loads without serving, for editors and CI.
func newCheck() *cobra.Command {
	l := &lint{}
	cmd := &cobra.Command{
		Use:   "check [APP]",
		Short: "Load an application without serving it",
		Long: strings.TrimSpace(`
Load the Starlark file APP (app.star unless given) and what it loads, check
its routes, and say what is wrong as file:line:column: what. Nothing is
served and nothing is sent. The status is 1 if something is wrong; a warning
alone is nothing wrong, unless --strict makes an error of it.`),
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := l.open(args); err != nil {
				return err
			}
			defer l.close()
			ctx, cancel := loadLimit(cmd.Context())
			defer cancel()
			err := l.loader.Check(ctx)
			if l.json {
				return l.report(cmd.OutOrStdout(), err)
			}
			l.warn(cmd.ErrOrStderr())
			if err != nil {
				return l.complain(cmd.ErrOrStderr(), err)
			}
			found := "nothing is wrong"
			if n := len(l.warnings); n > 0 {
				found = count(n, "warning")
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", l.app, found)
			return nil
		},
	}
	l.flags(cmd)
	return cmd
}

// newRoutes is the command that shows who handles what.
func newRoutes() *cobra.Command {
	l, method := &lint{}, "GET"
	cmd := &cobra.Command{
		Use:   "routes [APP [PATH]]",
		Short: "Show who handles what",
		Long: strings.TrimSpace(`
Show the routes of the Starlark file APP (app.star unless given), or what
becomes of a request and of a WebSocket for PATH: which function is called,
with which arguments, or which routes come near.`),
		Args: cobra.MaximumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := l.open(args); err != nil {
				return err
			}
			defer l.close()
			ctx, cancel := loadLimit(cmd.Context())
			defer cancel()
			routing, err := l.loader.Routes(ctx)
			if err != nil && l.json {
				return l.report(cmd.OutOrStdout(), err)
			}
			l.warn(cmd.ErrOrStderr())
			if err != nil {
				return l.complain(cmd.ErrOrStderr(), err)
			}
			found := []script.Found{}
			if len(args) == 2 {
				found = append(found, routing.Find(strings.ToUpper(method), args[1])...)
			}
			switch out := cmd.OutOrStdout(); {
			case l.json && len(args) == 2:
				return writeJSON(out, struct {
					Found []script.Found `json:"found"`
				}{found})
			case l.json:
				return writeJSON(out, struct {
					Routes []script.Route `json:"routes"`
				}{append([]script.Route{}, routing.Routes...)})
			case len(routing.Routes) == 0:
				fmt.Fprintf(out, "%s is a loop: it receives for itself\n", l.app)
				return nil
			case len(args) == 2:
				return l.findRoutes(out, found)
			default:
				return listRoutes(out, routing)
			}
		},
	}
	cmd.Flags().StringVarP(&method, "method", "m", method, "method of the request")
	l.flags(cmd)
	return cmd
}

// loadLimit ends a load that does not end by itself. A server gives it a
// minute; an editor waits for no answer so long.
func loadLimit(ctx context.Context) (context.Context, context.CancelFunc) {
	const most = 20 * time.Second
	return context.WithTimeoutCause(ctx, most, fmt.Errorf("loading took longer than %v", most))
}

// lint is an application that is looked at without being served.
type lint struct {
	json, strict bool
	settings     []flagvalue.Setting

	app      string
	loader   *script.Loader
	warnings []problem
	close    func()
}

// A problem is one thing that is wrong.
type problem struct {
	Level   string `json:"level"` // error or warning
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

func (l *lint) flags(cmd *cobra.Command) {
	g := cmd.Flags()
	g.BoolVar(&l.json, "json", false, "write JSON")
	g.BoolVar(&l.strict, "strict", false, "make errors of warnings")
	g.Var(flagvalue.List[flagvalue.Setting]{To: &l.settings, Parse: flagvalue.ParseSetting, Kind: "name=value"}, "set", "what the application finds in settings; may be repeated")
}

// open makes a loader on a layer that nobody else knows.
func (l *lint) open(args []string) error {
	l.app = "app.star"
	if len(args) > 0 {
		l.app = args[0]
	}
	s := &server{app: l.app, options: defaultOptions()}
	if err := s.readable(); err != nil {
		return err
	}
	settings := map[string]string{}
	for _, s := range l.settings {
		settings[s.Name] = s.Value
	}
	layer := store.Memory(store.Options{})
	l.close = func() { _ = layer.Close(context.Background()) } // there is nothing to keep
	l.loader = script.NewLoader(l.app, script.Options{
		Layer: layer, Strict: l.strict, Settings: settings, Log: slog.New(heard{l}),
	})
	return nil
}

// heard is a log of which warnings are kept.
type heard struct{ lint *lint }

func (heard) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }
func (h heard) WithAttrs([]slog.Attr) slog.Handler             { return h }
func (h heard) WithGroup(string) slog.Handler                  { return h }

// Handle keeps a warning, with the place that it comes from.
func (h heard) Handle(_ context.Context, r slog.Record) error {
	p := problem{Level: "warning", File: h.lint.app, Message: r.Message}
	r.Attrs(func(a slog.Attr) bool {
		if a.Key != "at" {
			return true
		}
		if file, line, ok := strings.Cut(a.Value.String(), ":"); ok {
			p.File = h.lint.path(file)
			_, _ = fmt.Sscan(line, &p.Line) // no number, no line
		}
		return false
	})
	h.lint.warnings = append(h.lint.warnings, p)
	return nil
}

// path answers where a file of the application lies, as editors that stand
// here look for it.
func (l *lint) path(file string) string {
	return filepath.Join(filepath.Dir(l.app), filepath.FromSlash(file))
}

// explain explains an error with files named from here.
func (l *lint) explain(err error) explain.Explanation {
	return l.fromHere(l.loader.Explain(err))
}

func (l *lint) fromHere(e explain.Explanation) explain.Explanation {
	frames, more := e.Frames, e.More
	e.Frames, e.More = nil, nil
	for _, f := range frames {
		f.File = l.path(f.File)
		e.Frames = append(e.Frames, f)
	}
	for _, m := range more {
		e.More = append(e.More, l.fromHere(m))
	}
	return e
}

func (l *lint) warn(w io.Writer) {
	for _, p := range l.warnings {
		place := p.File
		if p.Line > 0 {
			place = fmt.Sprintf("%s:%d", p.File, p.Line)
		}
		fmt.Fprintf(w, "%s: warning: %s\n", place, p.Message)
	}
}

// complain tells what is wrong with an application: a line that editors
// understand, then the lines around the place.
func (l *lint) complain(w io.Writer, err error) error {
	line, more := told(l.explain(err), inColor(w))
	fmt.Fprintln(w, line)
	if more != "" {
		fmt.Fprintln(w, strings.TrimRight(more, "\n"))
	}
	return &toldError{status: 1}
}

// report writes all that is wrong as JSON.
func (l *lint) report(w io.Writer, err error) error {
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
	if failed := writeJSON(w, struct {
		OK       bool      `json:"ok"`
		Problems []problem `json:"problems"`
	}{err == nil, problems}); failed != nil || err == nil {
		return failed
	}
	return &toldError{status: 1}
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

func listRoutes(w io.Writer, r script.Routing) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, route := range r.Routes {
		fmt.Fprintf(table, "%s\t%s\t%s\n", route.Channel, route.Pattern, route.Consumer)
	}
	return table.Flush()
}

func (l *lint) findRoutes(w io.Writer, found []script.Found) error {
	if len(found) == 0 {
		fmt.Fprintf(w, "%s has no route for http.request, nor for the channels of WebSockets\n", l.app)
	}
	for _, f := range found {
		switch {
		case f.Route.Consumer != "":
			fmt.Fprintf(w, "%s: %s", f.Channel, f.Route.Consumer)
			if len(f.Arguments) > 0 {
				fmt.Fprintf(w, " with %s", strings.Join(f.Arguments, ", "))
			}
			fmt.Fprintf(w, "  (%s)\n", f.Route.Pattern)
		case len(f.Methods) > 0:
			fmt.Fprintf(w, "%s: 405, the methods here are %s\n", f.Channel, strings.Join(f.Methods, ", "))
		default:
			fmt.Fprintf(w, "%s: no route\n", f.Channel)
		}
		for _, near := range f.Near {
			fmt.Fprintf(w, "  %s\n", near)
		}
	}
	return nil
}
