package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"asgibox/internal/command"
)

// newCheck returns the command that loads an application without serving it,
// for editors and CI.
func newCheck() *cobra.Command {
	l := &lint{}
	cmd := &cobra.Command{
		Use:   "check [APP]",
		Short: "Load an application without serving it",
		Long: strings.TrimSpace(`
Load the Starlark file APP (default app.star) and the files that it loads,
check its routes, and print each problem as file:line:column: message. Nothing
is served or sent. The exit status is 1 if there is an error; a warning is not
an error, unless --strict is given.`),
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, loader, end, err := l.open(cmd, args)
			if err != nil {
				return err
			}
			defer end()
			err = loader.Check(ctx)
			if l.json {
				return l.writeProblems(cmd.OutOrStdout(), err)
			}
			l.printWarnings(cmd.ErrOrStderr())
			if err != nil {
				return l.printError(cmd.ErrOrStderr(), err)
			}
			found := "no problems"
			if n := len(l.warnings); n > 0 {
				found = command.Count(n, "warning")
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", l.app, found)
			return nil
		},
	}
	l.addFlags(cmd)
	return cmd
}
