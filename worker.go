package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"asgibox/asgi/remote"
)

// newWorker is the command that runs an application for a server elsewhere.
func newWorker() *cobra.Command {
	o := defaultOptions()
	r := &remoteCommand{}
	cmd := &cobra.Command{
		Use:   "worker [APP]",
		Short: "Work for a server that runs in another process",
		Long: strings.TrimSpace(`
Run the Starlark file APP (app.star unless given) as worker of a server in
another process, whose channel layer it reaches over HTTP, state and sessions
included. The server is the one that keeps its store beside the application,
or the one that --control names; it may have workers of its own, or none
(asgibox run --no-workers).`),
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completeApplications,
		RunE: func(cmd *cobra.Command, args []string) error {
			app := "app.star"
			if len(args) > 0 {
				app = args[0]
			}
			if err := o.complete(); err != nil {
				return err
			}
			r.cmd = cmd
			if r.address == "" && r.store == "" {
				r.store = filepath.Join(filepath.Dir(app), ".asgibox", "channels.db")
			}
			c, err := r.find()
			if err != nil {
				return err
			}
			return work(cmd.Context(), app, o, c, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	g := newGroup("The server")
	g.StringVar(&r.address, "control", "", "address of its control server, as its banner shows it")
	g.StringVar(&r.store, "store", "", "file that it keeps, beside which its address stands (default .asgibox/channels.db beside the application)")
	r.addToken(g)
	addFlags(cmd, g, o.application(), o.output())
	return cmd
}

// work runs an application on the layer of a server elsewhere until the
// context ends.
func work(ctx context.Context, app string, o *options, c *controlClient, stdout, stderr io.Writer) (err error) {
	s := &server{app: app, options: o, stderr: stderr, written: written(stdout, stderr)}
	s.log = slog.New(o.newLog(stderr, s.explain).Handler())
	if err := s.readable(); err != nil {
		return err
	}
	layer, err := remote.Dial(ctx, c.base.String(), remote.ClientOptions{Token: c.token, Log: s.log})
	if err != nil {
		return err
	}
	defer layer.Close()
	if err := s.buildPool(layer); err != nil {
		return err
	}
	if !o.quiet {
		fmt.Fprintf(stderr, "asgibox %s\n\n  app        %s\n  works for  %s\n  stop       Ctrl-C\n\n", version(), app, c.base)
	}
	return s.run(ctx, nil)
}
