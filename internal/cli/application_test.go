package cli

import (
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"asgibox/internal/devserver"
)

// runsWith returns the options with which a command line of run starts the
// application, without starting it.
func runsWith(t *testing.T, args ...string) (app devserver.Application, o devserver.Options, err error) {
	t.Helper()
	cmd, f := newRun(), newFlags()
	cmd.ResetFlags()
	for _, g := range f.all() {
		cmd.Flags().AddFlagSet(g.FlagSet)
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		app, o, err = f.forApplication(cmd, args)
		return err
	}
	cmd.SetArgs(args)
	cmd.SetErr(io.Discard)
	cmd.SetOut(io.Discard)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	err = cmd.Execute()
	return app, o, err
}

func inFolderWith(t *testing.T, files ...string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for _, name := range files {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWorkersAreProcessesForApplicationsThatAreNotStarlark(t *testing.T) {
	inFolderWith(t, "app.star", "app.py")
	for _, c := range []struct {
		args                        string
		kind                        devserver.Kind
		workers, processes, threads int
	}{
		{"app.star", devserver.Starlark, 16, 2, 8},
		{"app.star --workers 500", devserver.Starlark, 500, 2, 8},
		{"app.py", devserver.PythonFile, 16, 2, 8},
		{"app.py --workers 3 --threads 5", devserver.PythonFile, 3, 3, 5},
		{"app:app --debug", devserver.PythonCallable, 16, 1, 1},
		{"app.py --debug --workers 1 --threads 4", devserver.PythonFile, 1, 1, 4},
		{"--workers 4 -- go version --threads", devserver.Program, 4, 4, 8},
	} {
		app, o, err := runsWith(t, strings.Fields(c.args)...)
		p := o.Process
		if err != nil || app.Kind != c.kind || o.Pool.Workers != c.workers || p.Processes != c.processes || p.Threads != c.threads {
			t.Errorf("%s: %v, %d workers, %+v, %v", c.args, app, o.Pool.Workers, p, err)
		}
	}
	if _, o, err := runsWith(t, "app.py", "--debug"); err != nil || o.Process.LoadTimeout != -1 || o.Pool.HandlerTimeout != -1 || o.Front.HTTPTimeout != -1 {
		t.Errorf("--debug has time limits: %+v, %v", o, err)
	}
	if _, o, err := runsWith(t, "app.py", "--resume", "off", "--interface", "asgi3", "--python", "py", "--concurrency", "7", "--load-timeout", "5s"); err != nil ||
		o.Process != (devserver.ProcessOptions{Processes: 2, Threads: 8, Concurrency: 7, Interface: "asgi3", Python: "py", LoadTimeout: 5 * time.Second}) {
		t.Errorf("%+v, %v", o.Process, err)
	}
}

func TestAFlagThatDoesNotFitTheKindIsRefused(t *testing.T) {
	inFolderWith(t, "app.star", "app.py")
	for args, want := range map[string]string{
		"app.star --threads 2":              "--threads is for Python applications, and app.star is a Starlark application",
		"--interface wsgi":                  "--interface is for Python applications, and app.star is a Starlark application",
		"app.star --debug":                  "--debug is for applications in processes of their own",
		"--python py -- go version":         "--python is for Python applications, and go version is a program",
		"--strict -- go version":            "--strict is for Starlark and Python applications",
		"app.py --debug --production":       "--production and --debug exclude each other",
		"app.py --debug --workers 2":        "--debug runs one process",
		"app.py --workers 257":              "at most 256 processes",
		"app.py --workers 99 --threads 999": "makes 98901 threads; at most 10000 can run",
		"app.py --interface cgi":            "wsgi",
		"app.py --threads 0":                "a whole number from 1 to 1000",
		"app.py --load-timeout 0":           "must not be zero",
		"app.py -- go version":              "app.py and the program after -- are two applications",
		"app.py app.star":                   "accepts at most 1 arg",
	} {
		if _, _, err := runsWith(t, strings.Fields(args)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", args, err, want)
		}
	}
	t.Setenv("ASGIBOX_THREADS", "2") // may be meant for another application
	if _, _, err := runsWith(t, "app.star"); err != nil {
		t.Errorf("a variable that does not fit: %v", err)
	}
}

func TestCommandsForStarlarkRefuseOtherApplications(t *testing.T) {
	inFolderWith(t, "app.py", "app_test.py")
	for _, args := range []string{"check app.py", "routes app.py", "console app.py", "test --app app.py", "check app:app", "check", "test app_test.py"} {
		var stderr strings.Builder
		status := Run(t.Context(), strings.Fields(args), strings.NewReader(""), io.Discard, &stderr)
		if status != 1 || strings.Count(stderr.String(), "\n") != 1 || !strings.Contains(stderr.String(), "Python") {
			t.Errorf("%s: status %d, %q", args, status, stderr.String())
		}
	}
}
