package cli

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"asgibox/internal/devserver"
	"asgibox/workerpool"
)

// applicationUse is the usage of the arguments that [chosen] reads.
const applicationUse = "[APP | -- COMMAND ARGS...]"

// applicationArgs checks the number of the arguments that [chosen] reads.
func applicationArgs(cmd *cobra.Command, args []string) error {
	if cmd.ArgsLenAtDash() >= 0 {
		return nil
	}
	return cobra.MaximumNArgs(1)(cmd, args)
}

// chosen returns the application that the arguments of a command name: a file, a
// folder, a Python object, or after -- a command.
func chosen(cmd *cobra.Command, args []string) (devserver.Application, error) {
	switch dash := cmd.ArgsLenAtDash(); {
	case dash == 0:
		return devserver.ProgramApplication(args)
	case dash > 0:
		return devserver.Application{}, fmt.Errorf("%s and the program after -- are two applications; give only one of them", args[0])
	case len(args) == 0:
		return devserver.DefaultApplication(), nil
	}
	return devserver.FindApplication(args[0])
}

// starlark returns the path of the Starlark application that the arguments of the
// command of this name give. It fails if they name an application of another kind.
func starlark(command string, args []string) (string, error) {
	app, err := devserver.DefaultApplication(), error(nil)
	if len(args) > 0 {
		app, err = devserver.FindApplication(args[0])
	}
	if err == nil && app.Kind != devserver.Starlark {
		err = fmt.Errorf("%s is %s; asgibox %s works with Starlark applications only", app.Name, app.Kind, command)
	}
	return app.Path, err
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// completeApplications proposes Starlark files.
func completeApplications(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return []string{"star"}, cobra.ShellCompDirectiveFilterFileExt
}

// completeAllApplications proposes the files that run and worker take.
func completeAllApplications(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return []string{"star", "py"}, cobra.ShellCompDirectiveFilterFileExt
}

// flagKinds says which kinds of application the flags are for that not all kinds
// have.
var flagKinds = []struct {
	kinds string // as an error names them
	fits  func(devserver.Kind) bool
	flags []string
}{
	{"Python applications", devserver.Kind.Python, []string{"threads", "concurrency", "interface", "python", "resume"}},
	{"applications in processes of their own", func(k devserver.Kind) bool { return k != devserver.Starlark }, []string{"debug", "load-timeout"}},
	{"Starlark and Python applications", func(k devserver.Kind) bool { return k == devserver.Starlark || k.Python() }, []string{"session-cookie", "strict"}},
}

// forApplication returns the application that the arguments of a command name, and its
// options.
func (f *flags) forApplication(cmd *cobra.Command, args []string) (devserver.Application, devserver.Options, error) {
	o, err := f.finished(cmd)
	if err != nil {
		return devserver.Application{}, o, err
	}
	app, err := chosen(cmd, args)
	if err != nil {
		return app, o, err
	}
	return app, o, fit(cmd, app, &o)
}

// fit checks that the flags are those of the application's kind, and completes the
// options of an application in processes of its own.
func fit(cmd *cobra.Command, app devserver.Application, o *devserver.Options) error {
	for _, f := range flagKinds {
		for _, name := range f.flags {
			if !f.fits(app.Kind) && given(cmd, name) {
				return fmt.Errorf("--%s is for %s, and %s is %s", name, f.kinds, app.Name, app.Kind)
			}
		}
	}
	if app.Kind == devserver.Starlark {
		return nil
	}
	p, changed := &o.Process, cmd.Flags().Changed
	if changed("workers") {
		p.Processes = o.Pool.Workers
	}
	if p.Debug {
		if o.Pages.Production {
			return errors.New("--production and --debug exclude each other: only you can reach the terminal; give only one of them")
		}
		if given(cmd, "workers") && p.Processes != 1 {
			return fmt.Errorf("--debug runs one process, and --workers %d asks for more; give only one of them", p.Processes)
		}
		p.Processes = 1
		if !changed("threads") {
			p.Threads = 1
		}
		p.LoadTimeout, o.Pool.HandlerTimeout, o.Front.HTTPTimeout, o.Front.ConnectTimeout = -1, -1, -1, -1
	}
	switch {
	case p.Processes > devserver.MaxProcesses:
		return fmt.Errorf("--workers %d: at most %d processes can run an application", p.Processes, devserver.MaxProcesses)
	case app.Kind.Python() && p.Processes*p.Threads > workerpool.MaxWorkers:
		return fmt.Errorf("--workers %d with --threads %d makes %d threads; at most %d can run", p.Processes, p.Threads, p.Processes*p.Threads, workerpool.MaxWorkers)
	}
	return nil
}
