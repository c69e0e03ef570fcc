package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"asgibox/store"
	"asgibox/workerpool/script"
)

// newCheck is the command that loads without serving, for editors and CI.
func newCheck() *cobra.Command {
	return &cobra.Command{
		Use:   "check [APP]",
		Short: "Load an application without serving it",
		Long: strings.TrimSpace(`
Load the Starlark file APP (app.star unless given) and what it loads, check
its routes, and say what is wrong as file:line:column: what. Nothing is
served and nothing is sent.`),
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			loader, app, done, err := loaderFor(args)
			if err != nil {
				return err
			}
			defer done()
			if err := loader.Check(cmd.Context()); err != nil {
				return complain(cmd.ErrOrStderr(), loader, err)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: nothing is wrong\n", app)
			return nil
		},
	}
}

// newRoutes is the command that shows who handles what.
func newRoutes() *cobra.Command {
	method := "GET"
	cmd := &cobra.Command{
		Use:   "routes [APP [PATH]]",
		Short: "Show who handles what",
		Long: strings.TrimSpace(`
Show the routes of the Starlark file APP (app.star unless given), or what
becomes of a request and of a WebSocket for PATH: which function is called,
with which arguments, or which routes come near.`),
		Args: cobra.MaximumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			loader, app, done, err := loaderFor(args)
			if err != nil {
				return err
			}
			defer done()
			routing, err := loader.Routes(cmd.Context())
			if err != nil {
				return complain(cmd.ErrOrStderr(), loader, err)
			}
			if len(args) < 2 {
				return listRoutes(cmd.OutOrStdout(), app, routing)
			}
			return findRoutes(cmd.OutOrStdout(), routing.Find(strings.ToUpper(method), args[1]))
		},
	}
	cmd.Flags().StringVarP(&method, "method", "m", method, "method of the request")
	return cmd
}

// loaderFor makes a loader on a layer that nobody else knows.
func loaderFor(args []string) (loader *script.Loader, app string, done func(), err error) {
	s := &server{app: "app.star", options: defaultOptions()}
	if len(args) > 0 {
		s.app = args[0]
	}
	if err := s.readable(); err != nil {
		return nil, "", nil, err
	}
	layer := store.Memory(store.Options{})
	done = func() { _ = layer.Close(context.Background()) } // there is nothing to keep
	return script.NewLoader(s.app, script.Options{Layer: layer}), s.app, done, nil
}

// complain tells what is wrong with an application: a line that editors
// understand, then the lines around the place.
func complain(w io.Writer, loader *script.Loader, err error) error {
	s := &server{loader: loader}
	line, more := s.explain(err, inColor(w))
	fmt.Fprintln(w, line)
	if more != "" {
		fmt.Fprintln(w, strings.TrimRight(more, "\n"))
	}
	return &toldError{status: 1}
}

func listRoutes(w io.Writer, app string, r script.Routing) error {
	if len(r.Routes) == 0 {
		_, err := fmt.Fprintf(w, "%s is a loop: it receives for itself\n", app)
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, route := range r.Routes {
		fmt.Fprintf(table, "%s\t%s\t%s\n", route.Channel, route.Pattern, route.Consumer)
	}
	return table.Flush()
}

func findRoutes(w io.Writer, found []script.Found) error {
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
