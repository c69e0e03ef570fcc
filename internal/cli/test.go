package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"asgibox/internal/apptest"
	"asgibox/internal/command"
	"asgibox/internal/devserver"
	"asgibox/internal/flagvalue"
	"asgibox/internal/userfile"
)

// testRun holds the flags of test.
type testRun struct {
	options  apptest.Options
	match    string
	json     bool
	junit    string
	cover    string
	watch    bool
	verbose  bool
	settings []flagvalue.Setting

	out, errOut io.Writer
	status      io.Writer // shows the running test; nil if it is not a terminal
}

// newTest returns the command that runs the tests of an application.
func newTest() *cobra.Command {
	t := &testRun{options: apptest.Options{Timeout: 10 * time.Second}}
	cmd := &cobra.Command{
		Use:   "test [FILE...]",
		Short: "Run the tests of an application",
		Long: strings.TrimSpace(`
Run the tests in FILEs, or in all files named *_test.star in this folder and
below: the functions whose names start with test_. Each test gets a client of a
server of its own, in memory, with its own layer and its own virtual time. The
application is app.star beside the file of tests.

The exit status is 1 if a test failed or a file did not load, 2 if no test
matched, and 130 after Ctrl-C. A new file of --junit or --cover has the mode that
the umask leaves.`),
		ValidArgsFunction: completeApplications,
		RunE: func(cmd *cobra.Command, args []string) error {
			t.out, t.errOut = cmd.OutOrStdout(), cmd.ErrOrStderr()
			if command.OnTerminal(t.errOut) && !t.json {
				t.status = t.errOut
			}
			return t.run(cmd.Context(), args)
		},
	}
	g := cmd.Flags()
	g.StringVar(&t.options.App, "app", "", "application to test (default app.star beside each file of tests)")
	g.StringVarP(&t.match, "run", "r", "", "regular expression of the names of the tests to run")
	g.Var(flagvalue.Duration{To: &t.options.Timeout}, "timeout", "real time that a test may take")
	g.BoolVar(&t.options.Network, "network", false, "let the application send requests to other servers")
	g.Var(flagvalue.Number{To: &t.options.Seed, Max: apptest.MaxSeed}, "seed", "seed of random and uuid4, and of the first schedule; with 0, handlers go on in order")
	g.Var(flagvalue.Number{To: &t.options.Explore, Max: 1_000_000}, "explore", "number of schedules under which each test runs again, to find races")
	g.BoolVar(&t.options.Faults, "faults", false, "with --explore or --seed, drop messages and fill channels too")
	g.Var(flagvalue.List[flagvalue.Setting]{To: &t.settings, Parse: flagvalue.ParseSetting, Kind: "name=value"}, "set", "setting for the application; may be repeated")
	g.BoolVarP(&t.verbose, "verbose", "v", false, "print every test and its output")
	g.BoolVar(&t.json, "json", false, "write JSON")
	g.StringVar(&t.junit, "junit", "", "file for a report in the XML format of JUnit")
	g.StringVar(&t.cover, "cover", "", "show which lines and routes the tests reached, or write that to a JSON file: --cover=FILE")
	g.Lookup("cover").NoOptDefVal = coverTable
	g.BoolVar(&t.watch, "watch", false, "run tests again when a file that they use changes")
	return cmd
}

// coverTable is the value of --cover without a file.
const coverTable = "table"

func (t *testRun) run(ctx context.Context, args []string) (err error) {
	if t.options.Match, err = regexp.Compile(t.match); err != nil {
		return fmt.Errorf("--run %s: %w", t.match, err)
	}
	if t.options.Faults && t.options.Explore == 0 && t.options.Seed == 0 {
		return errors.New("--faults changes schedules: give --explore N or --seed S too")
	}
	t.options.Settings = settingsMap(t.settings)
	files, err := testFiles(args)
	if err != nil {
		return err
	}
	if t.options.App != "" {
		if t.options.App, err = starlark("test", []string{t.options.App}); err != nil {
			return fmt.Errorf("--app: %w", err)
		}
		if err := devserver.CheckFile(t.options.App); err != nil {
			return fmt.Errorf("--app: %w", err)
		}
	}
	t.options.Cover = t.cover != ""
	if err := t.checkFolders(); err != nil {
		return err
	}
	if !t.watch {
		_, err := t.once(ctx, files)
		return err
	}
	return t.again(ctx, args, files)
}

// again runs the tests, and those that a change touches after each change.
func (t *testRun) again(ctx context.Context, args, files []string) error {
	w := apptest.Watcher{
		Roots: t.roots(args, files),
		Find:  func() ([]string, error) { return testFiles(args) },
	}
	return w.Run(ctx, func(changed, files []string) (apptest.Summary, error) {
		if len(changed) > 0 && !t.json {
			fmt.Fprintf(t.out, "\n%s changed\n", strings.Join(changed, ", "))
		}
		s, err := t.once(ctx, files)
		var failed *command.ExitError
		if errors.As(err, &failed) || ctx.Err() != nil {
			err = nil
		}
		return s, err
	})
}

// roots returns the folders to watch.
func (t *testRun) roots(args, files []string) []string {
	roots := []string{}
	if len(args) == 0 {
		roots = append(roots, ".")
	}
	for _, arg := range args {
		if info, err := os.Stat(arg); err == nil && info.IsDir() {
			roots = append(roots, arg)
		}
	}
	for _, f := range files {
		roots = append(roots, filepath.Dir(f))
	}
	if t.options.App != "" {
		roots = append(roots, filepath.Dir(t.options.App))
	}
	return roots
}

// testFiles returns the files that the arguments name. A folder stands for all
// files of tests in it.
func testFiles(args []string) ([]string, error) {
	if len(args) == 0 {
		args = []string{"."}
	}
	var files []string
	for _, arg := range args {
		info, err := os.Stat(arg)
		if err == nil && info.IsDir() {
			found, err := apptest.Find(arg)
			if err != nil {
				return nil, err
			}
			files = append(files, found...)
			continue
		}
		if filepath.Ext(arg) == ".py" {
			return nil, fmt.Errorf("%s is a Python file; asgibox test runs tests in Starlark only", arg)
		}
		if errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("there is no file or folder %q; without arguments, asgibox test runs all files named *_test.star in this folder and below", arg)
		}
		if err := devserver.CheckFile(arg); err != nil {
			return nil, err
		}
		files = append(files, arg)
	}
	return files, nil
}

// once runs the tests once.
func (t *testRun) once(ctx context.Context, files []string) (apptest.Summary, error) {
	printer := &apptest.Printer{Out: t.out, Verbose: t.verbose, Status: t.status, Schedules: t.options.Explore}
	var results []apptest.Result
	s := apptest.Run(ctx, files, t.options, func(r apptest.Result) {
		results = append(results, r)
		if !t.json {
			printer.Add(r)
		}
	})
	if !t.json {
		printer.End(s)
	}
	if ctx.Err() != nil {
		fmt.Fprintln(t.errOut, "asgibox: the tests were interrupted")
		return s, &command.ExitError{Status: command.Interrupted}
	}
	if t.json {
		if err := apptest.WriteJSON(t.out, results, s); err != nil {
			return s, err
		}
	}
	if err := t.writeJUnit(results, s); err != nil {
		return s, err
	}
	if err := t.writeCoverage(s.Coverage); err != nil {
		return s, err
	}
	switch {
	case s.Failed+s.Broken > 0:
		return s, &command.ExitError{Status: 1}
	case s.Passed > 0:
		return s, nil
	case !t.json:
		fmt.Fprintln(t.out, t.nothing(files))
	}
	return s, &command.ExitError{Status: 2}
}

// nothing says why no test ran.
func (t *testRun) nothing(files []string) string {
	switch {
	case len(files) == 0:
		return "no tests: there is no file named *" + apptest.Suffix + " here or below"
	case t.match != "":
		return "no tests: none matches --run " + t.match
	}
	return "no tests: no function in " + strings.Join(files, ", ") + " has a name that starts with test_"
}

func (t *testRun) writeJUnit(results []apptest.Result, s apptest.Summary) error {
	if t.junit == "" {
		return nil
	}
	return writeFile("--junit", t.junit, func(w io.Writer) error { return apptest.WriteJUnit(w, results, s) })
}

func (t *testRun) writeCoverage(all []apptest.Coverage) error {
	switch t.cover {
	case "":
		return nil
	case coverTable:
		if t.json {
			return nil // the JSON has it
		}
		return apptest.PrintCoverage(t.out, all)
	}
	return writeFile("--cover", t.cover, func(w io.Writer) error {
		return command.WriteJSON(w, struct {
			Coverage []apptest.Coverage `json:"coverage"`
		}{all})
	})
}

// checkFolders fails if a report cannot be written because its folder is missing.
func (t *testRun) checkFolders() error {
	for flag, name := range map[string]string{"--junit": t.junit, "--cover": t.cover} {
		if folder := filepath.Dir(name); folder != "." {
			if info, err := os.Stat(folder); err != nil || !info.IsDir() {
				return fmt.Errorf("cannot write %s: there is no folder %q", flag, folder)
			}
		}
	}
	return nil
}

// writeFile writes the file of a flag, which anyone may read.
func writeFile(flag, name string, write func(io.Writer) error) error {
	f, err := userfile.Write(name, os.O_TRUNC, 0o666)
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", flag, err)
	}
	if err := errors.Join(write(f), f.Close()); err != nil {
		return fmt.Errorf("cannot write %s: %w", flag, err)
	}
	return nil
}
