// Package client holds the commands for a running server. They call its control
// server over HTTP.
package client

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"asgibox/internal/command"
	"asgibox/internal/console"
)

// Commands returns the commands for a running server.
func Commands() []*cobra.Command {
	return []*cobra.Command{
		newSend(), newReceive(), newGroupCommands(), newFlush(), newReplay(),
		newChannels(), newPause(), newStep(), newResume(),
		newPs(), newKill(), newStats(), newTail(), newRecord(), newPlay(),
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

// Find returns the URL of the selected server's control server and its token.
// Without an address or a store it looks for a store in the current folder and
// those above.
func (s *Server) Find() (base *url.URL, token string, err error) {
	address := s.Address
	if address == "" {
		if address, err = savedAddress(s.Store); err != nil {
			return nil, "", err
		}
	}
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return nil, "", fmt.Errorf("--control %s: want an address like 127.0.0.1:8001", address)
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host}, cmp.Or(u.Query().Get("token"), s.Token), nil
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
	b, err := os.ReadFile(store + ".run")
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
	ctx   context.Context
	out   io.Writer
	json  bool
	base  *url.URL
	token string
	log   *slog.Logger // for what is not the command's output
}

// newCommand completes a command that runs against a selected server.
func newCommand(cmd *cobra.Command, addFlags func(command.FlagGroup), run func(*client, []string) error) *cobra.Command {
	var server Server
	var json bool
	g := command.NewGroup("Server")
	server.AddFlags(g, "in this folder or above")
	g.BoolVar(&json, "json", false, "print JSON, for programs")
	groups := []command.FlagGroup{g}
	if addFlags != nil {
		own := command.NewGroup("Flags")
		addFlags(own)
		groups = []command.FlagGroup{own, g}
	}
	command.AddFlags(cmd, groups...)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := server.connect(cmd)
		if err != nil {
			return err
		}
		c.json = json
		return run(c, args)
	}
	return cmd
}

func (s *Server) connect(cmd *cobra.Command) (*client, error) {
	base, token, err := s.Find()
	return &client{
		ctx: cmd.Context(), out: cmd.OutOrStdout(), base: base, token: token,
		log: slog.New(console.New(cmd.ErrOrStderr(), console.Options{})),
	}, err
}

// get calls with GET and decodes the response into v.
func (c *client) get(path string, query url.Values, v any) error {
	return c.call(http.MethodGet, path+"?"+query.Encode(), nil, v)
}

// post calls with POST and decodes the response into v unless v is nil. If the
// arguments are []byte, they are JSON already.
func (c *client) post(path string, args, v any) error {
	body, ok := args.([]byte)
	if !ok {
		var err error
		if body, err = json.Marshal(args); err != nil {
			return err
		}
	}
	return c.call(http.MethodPost, path, bytes.NewReader(body), v)
}

func (c *client) call(method, path string, body io.Reader, v any) error {
	resp, err := c.open(method, path, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("the response from %s is incomplete: %w", c.base.Host, err)
	}
	if v == nil {
		return nil
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("the response from %s is not from an asgibox control server: %w", c.base.Host, err)
	}
	return nil
}

// open makes a request and returns its response unless it is an error.
func (c *client) open(method, path string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(c.ctx, method, c.base.String()+path, body)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := http.DefaultClient.Do(req)
	switch {
	case c.ctx.Err() != nil:
		return nil, &command.ExitError{Status: 0} // Ctrl-C is the normal end of a command that runs until then
	case err != nil:
		return nil, fmt.Errorf("cannot reach a control server on %s: is asgibox running?", c.base.Host)
	case resp.StatusCode < 300:
		return resp, nil
	}
	defer resp.Body.Close()
	var refusal struct{ Error, Detail string }
	if json.NewDecoder(resp.Body).Decode(&refusal) != nil || refusal.Detail == "" {
		return nil, fmt.Errorf("%s responded with %s: is it an asgibox control server?", c.base.Host, resp.Status)
	}
	return nil, errors.New(refusal.Detail)
}

// lines calls f with each line of a response that has no end.
func (c *client) lines(path string, query url.Values, f func([]byte) error) error {
	resp, err := c.open(http.MethodGet, path+"?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return eachLine(c.ctx, resp.Body, f)
}

func eachLine(ctx context.Context, r io.Reader, f func([]byte) error) error {
	scanner := bufio.NewScanner(r)
	scanner.Buffer(make([]byte, 64<<10), 64<<20)
	for scanner.Scan() {
		if len(bytes.TrimSpace(scanner.Bytes())) == 0 {
			continue
		}
		if err := f(scanner.Bytes()); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	return scanner.Err()
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
	return json.NewEncoder(c.out).Encode(v)
}

// table prints a heading and rows in columns.
func (c *client) table(heading string, rows [][]string) error {
	w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, strings.ReplaceAll(heading, " ", "\t"))
	for _, row := range rows {
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	return w.Flush()
}
