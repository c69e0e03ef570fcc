package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"asgibox/internal/command"
	"asgibox/internal/devserver"
	"asgibox/internal/stopsignal"
)

// newRun returns the command that serves an application.
func newRun() *cobra.Command {
	f := newFlags()
	cmd := &cobra.Command{
		Use:   "run " + applicationUse,
		Short: "Serve an application",
		Long: strings.TrimSpace(`
Serve HTTP requests and WebSockets with an application, and replace the
application when its files change. Sockets stay open. APP is one of these:

  app.star              a Starlark file (the default); if it does not exist yet,
                        serve a page that offers templates
  shop                  a folder: the file app.star in it, or else app.py
  app.py                a Python file: a loop, channel_routing, or a WSGI or
                        ASGI 3 application named application or app
  shop.wsgi:application an object of a Python module: a WSGI or ASGI 3
                        application, or channel_routing
  ./cmd/app             a folder with a main package of Go, which is built

-- COMMAND runs any program as a worker. It finds the channel layer in the
environment, in ASGIBOX_SOCKET or ASGIBOX_URL, and ASGIBOX_TOKEN. --watch names
the files whose changes replace it.`),
		Args:              applicationArgs,
		ValidArgsFunction: completeAllApplications,
		RunE: func(cmd *cobra.Command, args []string) error {
			stopsignal.OutliveReaders()
			app, o, err := f.forApplication(cmd, args)
			if err != nil {
				return err
			}
			if !o.Pages.Production && app.Kind == devserver.Starlark && (len(args) == 0 || isFolder(args[0])) {
				o.Welcome = welcome()
			}
			return devserver.Serve(cmd.Context(), app, o, cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	command.AddFlags(cmd, f.all()...)
	return cmd
}

// RunFlags returns the flags of run, in groups. The documentation lists them.
func RunFlags() []command.FlagGroup { return newFlags().all() }
