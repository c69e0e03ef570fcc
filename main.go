// Command asgibox serves an application that is written in Starlark over
// ASGI's channel-layer architecture: a protocol server turns sockets into
// messages, a channel layer carries them, workers run the application. All
// three are in this one process, and saving the application's file swaps it
// while sockets stay open.
//
//	asgibox run app.star
//
// Package main holds commands, flags, wiring and the order of shutting down.
// The rooms behind it are asgi, store, httpfront, workerpool and reload.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"asgibox/internal/heapfloor"
)

func main() {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // as nohup has it
		signal.Notify(signals, syscall.SIGHUP) // the terminal is closed
	}
	go func() { // ends with the process
		<-signals
		cancel()
		<-signals
		os.Exit(interrupted)
	}()
	heapfloor.Keep(garbage)
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// garbage is how much may gather, in bytes, before it is collected. A request
// through layer and workers leaves some 6 KB.
const garbage = 32 << 20

// interrupted is the exit status after a second Ctrl-C.
const interrupted = 130

// run is the program. It returns the exit status once all has ended that it
// started, which the end of the context begins.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	var told *toldError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &told):
		return told.status
	}
	fmt.Fprintln(stderr, "asgibox:", err)
	return 1
}

// toldError ends the program with a status when all has been said.
type toldError struct{ status int }

func (e *toldError) Error() string { return fmt.Sprintf("exit status %d", e.status) }

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "asgibox",
		Short: "ASGI's channel-layer architecture in one binary",
		Long: strings.TrimSpace(`
asgibox serves an application over ASGI's channel-layer architecture: a
protocol server turns sockets into messages, a channel layer carries them,
workers run the application. Saving the application's file swaps it while
sockets stay open.`),
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       version(),
	}
	root.SetVersionTemplate("asgibox {{.Version}}\n")
	root.SetFlagErrorFunc(explainFlag)
	root.AddCommand(newRun(), newWorker(), newCheck(), newRoutes(), newMan(), newVersion())
	root.AddCommand(controlCommands()...)
	explainArguments(root)
	return root
}

// explainArguments has commands say what they take when they get something
// else.
func explainArguments(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if check(cmd, args) == nil {
				return nil
			}
			takes := strings.TrimSpace(strings.TrimPrefix(cmd.Use, cmd.Name()))
			if takes == "" {
				takes = "no arguments"
			}
			return fmt.Errorf("%s takes %s, and got %s; %[1]s --help tells more", cmd.CommandPath(), takes, count(len(args), "argument"))
		}
	}
	for _, inner := range cmd.Commands() {
		explainArguments(inner)
	}
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		Run: func(cmd *cobra.Command, _ []string) {
			fmt.Fprintln(cmd.OutOrStdout(), "asgibox", version())
		},
	}
}

// version is what the build knows of itself.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "development"
}
