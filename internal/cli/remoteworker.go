package cli

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"asgibox/internal/client"
	"asgibox/internal/command"
	"asgibox/internal/devserver"
	"asgibox/internal/stopsignal"
)

// newWorker returns the command that runs an application for a server in
// another process.
func newWorker() *cobra.Command {
	f := newFlags()
	var server client.Server
	cmd := &cobra.Command{
		Use:   "worker " + applicationUse,
		Short: "Run an application for a server in another process",
		Long: strings.TrimSpace(`
Run an application as a worker of a server in another process. APP and COMMAND
name it as for asgibox run (default app.star). The worker uses that server's
channel layer, state and sessions over HTTP. By default the server is the one
whose data is beside the application; --control names another one. The server
may have workers of its own, or none (asgibox run --no-workers).

With --layer, the worker uses the layer on Redis itself, and no server's control
port. It works for all servers on that layer.`),
		Args:              applicationArgs,
		ValidArgsFunction: completeAllApplications,
		RunE: func(cmd *cobra.Command, args []string) error {
			stopsignal.OutliveReaders()
			app, o, err := f.forApplication(cmd, args)
			if err != nil {
				return err
			}
			if o.Redis != nil {
				return devserver.Work(cmd.Context(), app, o, cmd.OutOrStdout(), cmd.ErrOrStderr())
			}
			for _, name := range []string{"layer-wait", "capacity", "expiry", "group-expiry"} {
				if cmd.Flags().Changed(name) {
					return fmt.Errorf("--%s is for a layer on Redis (--layer); without it, the settings of the server count", name)
				}
			}
			if server.Address == "" && server.Store == "" {
				server.Store = filepath.Join(app.Folder, ".asgibox", "channels.db")
			}
			control, err := server.Find()
			if err != nil {
				return err
			}
			return devserver.WorkFor(cmd.Context(), app, o, control.Base, control.Token, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	g := command.NewGroup("Server")
	server.AddFlags(g, "beside the application")
	command.AddFlags(cmd, g, f.workerLayer(), f.application(), f.output())
	return cmd
}
