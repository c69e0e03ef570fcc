// Package client holds the commands for a running server. They call its control
// server over HTTP. Some of them can also reach a layer on Redis without a server.
package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/spf13/cobra"

	"asgibox/inspector/api"
	"asgibox/internal/command"
	"asgibox/internal/userfile"
)

// Commands returns the commands for a running server.
func Commands() []*cobra.Command {
	return []*cobra.Command{
		newSend(), newReceive(), newGroupCommands(), newFlush(), newReplay(),
		newChannels(), newPause(), newStep(), newResume(),
		newPs(), newKill(), newStats(), newTail(), newRequests(), newRecord(), newPlay(),
	}
}

// Server selects a running server, by the address of its control server or by
// its store.
type Server struct {
	Address string // address of the control server
	Token   string // its token, unless the address has one
	Store   string // the server's store file
}

// AddFlags adds the flags that select a server. Place says where the store is
// if none of them is given.
func (s *Server) AddFlags(g command.FlagGroup, place string) {
	g.StringVar(&s.Address, "control", "", "address of the control server, as the server's banner shows it")
	g.StringVar(&s.Store, "store", "", "the server's store file; its address is in a file beside it (default .asgibox/channels.db "+place+")")
	g.StringVar(&s.Token, "token", "", "token of the control server, if the address has none")
}

// Find returns a client for the control server of the selected server. Without
// an address, or with port 0, for which the server picks a free one, it uses the
// address beside the store. Without a store, it looks for one in the current
// folder and those above.
func (s *Server) Find() (*api.Client, error) {
	address := s.Address
	if address == "off" {
		return nil, errors.New("--control off: the server has no control server, so commands cannot reach it")
	}
	if address == "" || strings.HasSuffix(address, ":0") {
		var err error
		if address, err = savedAddress(s.Store); err != nil {
			return nil, err
		}
	}
	c, err := api.NewClient(address, s.Token)
	if err != nil {
		return nil, fmt.Errorf("--control %s: %w", address, err)
	}
	return c, nil
}

// savedAddress returns the control server's address from the file beside the
// store. Without a store it looks in the current folder and those above.
func savedAddress(store string) (string, error) {
	if store != "" {
		return readAddress(store)
	}
	folder, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		address, err := readAddress(filepath.Join(folder, ".asgibox", "channels.db"))
		if !errors.Is(err, os.ErrNotExist) {
			return address, err
		}
		above := filepath.Dir(folder)
		if above == folder {
			return "", errors.New("no server runs on a store in this folder or above (.asgibox/channels.db): name the store with --store, or the control server with --control")
		}
		folder = above
	}
}

func readAddress(store string) (string, error) {
	b, err := userfile.Read(store + ".run")
	if err != nil {
		return "", fmt.Errorf("no server runs on %s: %w", store, err)
	}
	var run struct{ Control string }
	if err := json.Unmarshal(b, &run); err != nil {
		return "", fmt.Errorf("%s.run cannot be read: %w", store, err)
	}
	if run.Control == "" {
		return "", fmt.Errorf("the server on %s has no control server (--control off)", store)
	}
	return run.Control, nil
}

// A client calls the control server of a running program for one command.
type client struct {
	*api.Client
	ctx    context.Context
	in     io.Reader
	out    io.Writer
	errOut io.Writer // for what is not the command's output
	json   bool
	direct *direct // nil unless the command reaches a layer itself
}

// newCommand completes a command that runs against a selected server.
func newCommand(cmd *cobra.Command, addFlags func(command.FlagGroup), run func(*client, []string) error) *cobra.Command {
	return newCommandOn(nil, cmd, addFlags, run)
}

// newLayerCommand completes a command that runs against a selected server, or
// against a layer on Redis without any server.
func newLayerCommand(cmd *cobra.Command, addFlags func(command.FlagGroup), run func(*client, []string) error) *cobra.Command {
	return newCommandOn(new(Layer), cmd, addFlags, run)
}

// newCommandOn completes a command. Layer is nil if the command needs a server.
func newCommandOn(layer *Layer, cmd *cobra.Command, addFlags func(command.FlagGroup), run func(*client, []string) error) *cobra.Command {
	var server Server
	var json bool
	g := command.NewGroup("Server")
	server.AddFlags(g, "in this folder or above")
	if layer != nil {
		layer.AddFlags(g)
	}
	g.BoolVar(&json, "json", false, "print JSON, for programs")
	groups := []command.FlagGroup{g}
	if addFlags != nil {
		own := command.NewGroup("Flags")
		addFlags(own)
		groups = []command.FlagGroup{own, g}
	}
	command.AddFlags(cmd, groups...)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := server.connect(cmd, layer)
		if err != nil {
			return err
		}
		c.json = json
		err = run(c, args)
		closing := c.direct.close()
		if c.ctx.Err() != nil && errors.Is(err, c.ctx.Err()) {
			return &command.ExitError{Status: 0} // Ctrl-C is the normal end of a command that runs until then
		}
		return errors.Join(err, closing)
	}
	return cmd
}

// connect returns a client for the layer, if one is selected, or for the server.
func (s *Server) connect(cmd *cobra.Command, layer *Layer) (c *client, err error) {
	c = &client{ctx: cmd.Context(), in: cmd.InOrStdin(), out: cmd.OutOrStdout(), errOut: cmd.ErrOrStderr()}
	if layer != nil {
		c.Client, c.direct, err = layer.openDirect(c.ctx, s, c.errOut)
	}
	if err == nil && c.Client == nil {
		c.Client, err = s.Find()
	}
	if c.Client != nil {
		c.Agent = cmd.CommandPath()
	}
	return c, err
}

// report prints a sentence, or the response as JSON with --json.
func (c *client) report(response any, format string, args ...any) error {
	if c.json {
		return c.print(response)
	}
	_, err := fmt.Fprintf(c.out, format+"\n", args...)
	return err
}

func (c *client) print(v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return c.printLine(line)
}

// printLine prints a line of JSON. It escapes the control characters that JSON may
// contain, and those that change the direction of a text, so that they do not reach
// the terminal.
func (c *client) printLine(line []byte) error {
	var out strings.Builder
	for _, r := range string(line) {
		if r >= 0x7f && unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			fmt.Fprintf(&out, `\u%04x`, r)
		} else {
			out.WriteRune(r)
		}
	}
	_, err := fmt.Fprintln(c.out, out.String())
	return err
}

// table prints a heading and rows in columns.
func (c *client) table(heading string, rows [][]string) error {
	w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, strings.ReplaceAll(heading, " ", "\t"))
	for _, row := range rows {
		for i, cell := range row {
			row[i] = oneLine(cell) // paths and handlers come from clients and applications
		}
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	return w.Flush()
}
