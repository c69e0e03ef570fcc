package cli

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"asgibox/internal/command"
	"asgibox/internal/console"
	"asgibox/workerpool/script"
)

// newRoutes returns the command that shows which handler gets which message.
func newRoutes() *cobra.Command {
	l, method := &lint{}, "GET"
	cmd := &cobra.Command{
		Use:   "routes [APP [PATH]]",
		Short: "Show which handler gets which message",
		Long: strings.TrimSpace(`
Show the routes of the application in the Starlark file APP (default app.star).
With PATH, show the function that gets a request for PATH, the function that
gets a WebSocket, and their arguments; if there is none, show similar routes.`),
		Args: cobra.MaximumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, loader, end, err := l.open(cmd, args)
			if err != nil {
				return err
			}
			defer end()
			routing, err := loader.Routes(ctx)
			if err != nil && l.json {
				return l.writeProblems(cmd.OutOrStdout(), err)
			}
			l.printWarnings(cmd.ErrOrStderr())
			if err != nil {
				return l.printError(cmd.ErrOrStderr(), err)
			}
			found := []script.Found{}
			if len(args) == 2 {
				found = append(found, routing.Find(strings.ToUpper(method), args[1])...)
			}
			switch out := cmd.OutOrStdout(); {
			case l.json && len(args) == 2:
				return command.WriteJSON(out, struct {
					Found []script.Found `json:"found"`
				}{found})
			case l.json:
				return command.WriteJSON(out, struct {
					Routes []script.Route `json:"routes"`
				}{append([]script.Route{}, routing.Routes...)})
			case len(routing.Routes) == 0:
				fmt.Fprintf(out, "%s is a loop application: it receives messages itself and has no routes\n", l.app)
				return nil
			case len(args) == 2:
				l.printFound(out, found)
				return nil
			default:
				return printRoutes(out, routing)
			}
		},
	}
	cmd.Flags().StringVarP(&method, "method", "m", method, "method of the request")
	l.addFlags(cmd)
	return cmd
}

func printRoutes(w io.Writer, r script.Routing) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, route := range r.Routes {
		fmt.Fprintf(table, "%s\t%s\t%s\n", route.Channel, console.Printable(route.Pattern), route.Consumer)
	}
	return table.Flush()
}

func (l *lint) printFound(w io.Writer, found []script.Found) {
	if len(found) == 0 {
		fmt.Fprintf(w, "%s has no route for http.request or for the WebSocket channels\n", l.app)
	}
	for _, f := range found {
		switch {
		case f.Route.Consumer != "":
			fmt.Fprintf(w, "%s: %s", f.Channel, f.Route.Consumer)
			if len(f.Arguments) > 0 {
				fmt.Fprintf(w, " with %s", console.Printable(strings.Join(f.Arguments, ", ")))
			}
			fmt.Fprintf(w, "  (%s)\n", console.Printable(f.Route.Pattern))
		case len(f.Methods) > 0:
			fmt.Fprintf(w, "%s: 405, the path allows %s\n", f.Channel, strings.Join(f.Methods, ", "))
		default:
			fmt.Fprintf(w, "%s: no route\n", f.Channel)
		}
		for _, near := range f.Near {
			fmt.Fprintf(w, "  %s\n", console.Printable(near))
		}
	}
}
