package cli

import (
	"os"
	"strings"

	"github.com/spf13/cobra"

	"asgibox/internal/command"
	"asgibox/internal/demo"
	"asgibox/internal/devserver"
	"asgibox/internal/stopsignal"
)

// demoServer is the hidden command that demo starts.
const demoServer = "demo-server"

// newDemo returns the command that serves the tour.
func newDemo() *cobra.Command {
	o := demo.Options{Listen: devserver.DefaultOptions().Listen, Version: command.Version()}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Serve a guided tour with live examples",
		Long: strings.TrimSpace(`
Serve a guided tour of the architecture for a browser. Each page has a small
application in an editor, buttons that use it, and the messages that result. No
files are needed; edits are kept until the tour ends. Each page has an inspector
on the control server, at an address like 127.0.0.1:8001/groups. Commands for a
running server take this address as --control.

By default only this machine can reach the tour. If the tour or its control
server has another address, all pages, downloads, applications and inspectors
need the token in the address that the tour prints. Edits and the button that
kills the server are refused on another address of the tour, unless --allow-edit
is given.`),
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			stopsignal.OutliveReaders()
			program, err := os.Executable()
			if err != nil {
				return err
			}
			o.Command = []string{program, demoServer}
			return demo.Run(cmd.Context(), o, cmd.ErrOrStderr())
		},
	}
	addresses, output := command.NewGroup("Addresses"), command.NewGroup("Output")
	listen(addresses, &o.Listen)
	addresses.StringVar(&o.Control, "control", "", `address of the control server, for the inspectors and the commands, or "off" (default 127.0.0.1:8001, or a free port if that is taken)`)
	addresses.BoolVar(&o.AllowEdit, "allow-edit", false, "permit edits on an address that other machines can reach")
	output.BoolVarP(&o.Verbose, "verbose", "v", false, "log each request and each reload")
	command.AddFlags(cmd, addresses, output)
	return cmd
}

// newDemoServer returns the command that demo starts.
func newDemoServer() *cobra.Command {
	return &cobra.Command{
		Use: demoServer, Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			stopsignal.OutliveReaders()
			return demo.Serve(cmd.Context(), runOptions, cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
}

// runOptions returns the options of run for its flags.
func runOptions(given []string) (devserver.Options, error) {
	f, cmd := newFlags(), &cobra.Command{}
	command.AddFlags(cmd, f.all()...)
	if err := cmd.ParseFlags(given); err != nil {
		return devserver.Options{}, err
	}
	o, err := f.finished(cmd)
	o.Pages.Overlay = false // the tour shows responses as they are, and errors beside the editor
	return o, err
}
