// Package cli is the command tree of the program: the commands that run an
// application, those that look at one without serving it, and those of package
// client for a running server.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"asgibox/internal/bench"
	"asgibox/internal/client"
	"asgibox/internal/command"
	"asgibox/internal/lineout"
	"asgibox/workerpool/script/explain"
)

// Run runs the program and returns its exit status. It returns after
// everything that it started has ended; the end of ctx stops a server.
func Run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := NewRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	out := command.NewOutput(ctx, stdout)
	root.SetOut(out)
	root.SetErr(stderr)
	root.InitDefaultCompletionCmd() // writes to the output that is set now
	if completion, _, err := root.Find([]string{"completion"}); err == nil {
		explainArguments(completion)
	}
	err := root.ExecuteContext(ctx)
	var exit *command.ExitError
	if errors.As(err, &exit) && exit.Status != 0 {
		return exit.Status
	}
	if err == nil || exit != nil {
		if err = out.Err(); err == nil {
			return 0
		}
		err = fmt.Errorf("the output is incomplete: %w", err)
	}
	fmt.Fprintln(lineout.New(stderr, nil, nil), "asgibox:", explain.Printable(err.Error()))
	return 1
}

// NewRoot returns the command tree. Documentation is generated from it.
func NewRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "asgibox",
		Short: "ASGI's channel-layer architecture in one binary",
		Long: strings.TrimSpace(`
asgibox serves an application over ASGI's channel-layer architecture: a
protocol server turns sockets into messages, a channel layer carries them, and
workers run the application. Saving the application's file replaces the
application while sockets stay open.`),
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       command.Version(),
	}
	root.SetVersionTemplate("asgibox {{.Version}}\n")
	root.SetFlagErrorFunc(command.ExplainFlag)
	root.AddCommand(newRun(), newDemo(), newDemoServer(), newWorker(), newCheck(), newRoutes(), newTest(), bench.New(), newNew(), newConsole(), newMan(), newVersion())
	root.AddCommand(client.Commands()...)
	root.SetHelpCommand(newHelp())
	addExamples(root)
	explainArguments(root)
	return root
}

// newHelp returns the command help, which fails for an unknown command.
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Help about any command",
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := cmd.Root().Find(args)
			if err == nil && len(rest) > 0 {
				err = unknown(about, rest[0])
			}
			if err != nil {
				return err
			}
			return about.Help()
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) (names []cobra.Completion, _ cobra.ShellCompDirective) {
			about, _, err := cmd.Root().Find(args)
			for _, c := range about.Commands() {
				if err == nil && c.IsAvailableCommand() {
					names = append(names, cobra.CompletionWithDesc(c.Name(), c.Short))
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
	}
}

func unknown(cmd *cobra.Command, name string) error {
	return fmt.Errorf("unknown command %q for %q; see %[2]s --help", name, cmd.CommandPath())
}

// explainArguments makes each command report the arguments that it takes when
// it gets a wrong number of them, or an unknown command.
func explainArguments(cmd *cobra.Command) {
	if cmd.HasParent() && cmd.HasSubCommands() && !cmd.Runnable() {
		cmd.Args, cmd.ValidArgsFunction = nil, nil
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknown(cmd, args[0])
			}
			return cmd.Help()
		}
	}
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if check(cmd, args) == nil {
				return nil
			}
			takes := strings.TrimSpace(strings.TrimPrefix(cmd.Use, cmd.Name()))
			if takes == "" {
				takes = "no arguments"
			}
			return fmt.Errorf("%s takes %s, but got %s; see %[1]s --help", cmd.CommandPath(), takes, command.Count(len(args), "argument"))
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
			fmt.Fprintln(cmd.OutOrStdout(), "asgibox", command.Version())
		},
	}
}
