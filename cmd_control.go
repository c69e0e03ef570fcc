package main

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

	"asgibox/internal/console"
)

// controlCommands are the commands that talk to a running server.
func controlCommands() []*cobra.Command {
	return []*cobra.Command{
		newSend(), newReceive(), newGroupCommands(), newFlush(), newReplay(),
		newChannels(), newPause(), newStep(), newResume(),
		newPs(), newKill(), newStats(), newTail(), newRecord(), newPlay(),
	}
}

// remoteCommand is a command for a running server, and how it finds that.
type remoteCommand struct {
	cmd     *cobra.Command
	address string // of the control server, if it was given
	token   string // that it wants, if the address has none
	store   string // the file that the server has open
	json    bool
}

// newRemote makes a command of what it does once the server is found.
func newRemote(cmd *cobra.Command, flags func(flagGroup), run func(*controlClient, []string) error) *cobra.Command {
	r := &remoteCommand{cmd: cmd}
	g := newGroup("The running server")
	g.StringVar(&r.address, "control", "", "address of its control server, as its banner shows it")
	g.StringVar(&r.store, "store", "", "file that it keeps, beside which its address stands (default .asgibox/channels.db here or above)")
	r.addToken(g)
	g.BoolVar(&r.json, "json", false, "print JSON, for programs")
	groups := []flagGroup{g}
	if flags != nil {
		own := newGroup("Flags")
		flags(own)
		groups = []flagGroup{own, g}
	}
	addFlags(cmd, groups...)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := r.find()
		if err != nil {
			return err
		}
		return run(c, args)
	}
	return cmd
}

func (r *remoteCommand) addToken(g flagGroup) {
	g.StringVar(&r.token, "token", "", "token that the control server wants, if its address does not have it")
}

// A controlClient talks to the control server of a running program.
type controlClient struct {
	ctx   context.Context
	out   io.Writer
	json  bool
	base  *url.URL
	token string
	log   *slog.Logger // of what goes on beside the result
}

// find answers a client for the server that is meant.
func (r *remoteCommand) find() (*controlClient, error) {
	address := r.address
	if address == "" {
		var err error
		if address, err = announced(r.store); err != nil {
			return nil, err
		}
	}
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("--control %s: want an address like 127.0.0.1:8001", address)
	}
	c := &controlClient{ctx: r.cmd.Context(), out: r.cmd.OutOrStdout(), json: r.json, token: cmp.Or(u.Query().Get("token"), r.token)}
	c.log = slog.New(console.New(r.cmd.ErrOrStderr(), console.Options{}))
	c.base = &url.URL{Scheme: u.Scheme, Host: u.Host}
	return c, nil
}

// announced reads the control server's address beside the store's file. With
// none given it looks here and in the folders above.
func announced(store string) (string, error) {
	if store != "" {
		return announcedAt(store)
	}
	folder, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		address, err := announcedAt(filepath.Join(folder, ".asgibox", "channels.db"))
		if !errors.Is(err, os.ErrNotExist) {
			return address, err
		}
		above := filepath.Dir(folder)
		if above == folder {
			return "", errors.New("no server runs on a store here (.asgibox/channels.db): name its store with --store, or its control server with --control")
		}
		folder = above
	}
}

func announcedAt(store string) (string, error) {
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

// get asks and reads the answer into v.
func (c *controlClient) get(path string, query url.Values, v any) error {
	return c.ask(http.MethodGet, path+"?"+query.Encode(), nil, v)
}

// post calls with arguments, which are JSON if they are []byte, and reads the
// answer into v, if that is not nil.
func (c *controlClient) post(path string, args, v any) error {
	body, ok := args.([]byte)
	if !ok {
		var err error
		if body, err = json.Marshal(args); err != nil {
			return err
		}
	}
	return c.ask(http.MethodPost, path, bytes.NewReader(body), v)
}

func (c *controlClient) ask(method, path string, body io.Reader, v any) error {
	resp, err := c.open(method, path, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("the answer of %s broke off: %w", c.base.Host, err)
	}
	if v == nil {
		return nil
	}
	if err := json.Unmarshal(answer, v); err != nil {
		return fmt.Errorf("%s answered something else than a control server: %w", c.base.Host, err)
	}
	return nil
}

// open makes a request and answers its response if that is no error.
func (c *controlClient) open(method, path string, body io.Reader) (*http.Response, error) {
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
		return nil, &toldError{0} // Ctrl-C ends what goes on until it is ended
	case err != nil:
		return nil, fmt.Errorf("no control server answers on %s: is asgibox running?", c.base.Host)
	case resp.StatusCode < 300:
		return resp, nil
	}
	defer resp.Body.Close()
	var refusal struct{ Error, Detail string }
	if json.NewDecoder(resp.Body).Decode(&refusal) != nil || refusal.Detail == "" {
		return nil, fmt.Errorf("%s answered %s: is it a control server?", c.base.Host, resp.Status)
	}
	return nil, errors.New(refusal.Detail)
}

// lines calls f with each line of an answer that goes on.
func (c *controlClient) lines(path string, query url.Values, f func([]byte) error) error {
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

// say prints what was done, or the answer as JSON.
func (c *controlClient) say(answer any, format string, args ...any) error {
	if c.json {
		return c.print(answer)
	}
	_, err := fmt.Fprintf(c.out, format+"\n", args...)
	return err
}

func (c *controlClient) print(v any) error {
	return json.NewEncoder(c.out).Encode(v)
}

// table prints rows under a heading, in columns.
func (c *controlClient) table(heading string, rows [][]string) error {
	w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, strings.ReplaceAll(heading, " ", "\t"))
	for _, row := range rows {
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	return w.Flush()
}
