package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"asgibox/internal/command"
	"asgibox/internal/devserver"
)

// newRun returns the command that serves an application.
func newRun() *cobra.Command {
	f := newFlags()
	cmd := &cobra.Command{
		Use:   "run [APP]",
		Short: "Serve an application",
		Long: strings.TrimSpace(`
Serve HTTP requests and WebSockets with the application in the Starlark file
APP (default app.star), and replace the application when its files change. If APP
is a folder, the application is the file app.star in it. If that file does not
exist yet, serve a page that offers templates.`),
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completeApplications,
		RunE: func(cmd *cobra.Command, args []string) error {
			o, err := f.finished(cmd)
			if err != nil {
				return err
			}
			if !o.Pages.Production && (len(args) == 0 || isFolder(args[0])) {
				o.Welcome = welcome()
			}
			return devserver.Serve(cmd.Context(), application(args), o, cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	command.AddFlags(cmd, f.all()...)
	return cmd
}

// RunFlags returns the flags of run, in groups. The documentation lists them.
func RunFlags() []command.FlagGroup { return newFlags().all() }
