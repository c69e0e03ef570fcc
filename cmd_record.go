package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// recordedChannels is the protocol servers' traffic: what came from sockets
// and what was replied to them.
const recordedChannels = "channel:http.request,http.disconnect,websocket.connect,websocket.receive,websocket.disconnect,*!*"

func newRecord() *cobra.Command {
	var cmd *cobra.Command
	cmd = newRemote(&cobra.Command{
		Use:   "record FILE [FILTER…]",
		Short: "Record the traffic of a running server",
		Long: `record writes what comes from sockets and what is replied to them into a file,
or to standard output for -, a line of JSON a message, until Ctrl-C. A filter,
as tail has it, narrows that. play plays the file. Of heavy traffic a part is
recorded, whole chains of it. The server does not take the file for a part of
its application: it may lie beside that.`,
		Args: cobra.MinimumNArgs(1),
	}, nil, func(c *controlClient, args []string) error {
		begun := func() { fmt.Fprintln(cmd.ErrOrStderr(), "recording; Ctrl-C ends it") }
		if args[0] == "-" {
			begun()
			_, err := c.recordTo(c.out, args[1:])
			return err
		}
		f, err := c.recordingFile(args[0])
		if err != nil {
			return err
		}
		begun()
		n, err := c.recordTo(f, args[1:])
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
		return c.say(map[string]int{"messages": n}, "%s in %s", count(n, "message"), args[0])
	})
	return cmd
}

// recordingFile opens a file that the server does not look at.
func (c *controlClient) recordingFile(name string) (*os.File, error) {
	path, err := filepath.Abs(name)
	if err != nil {
		return nil, err
	}
	if err := c.post("/api/ignore", map[string]string{"file": path}, nil); err != nil {
		return nil, err
	}
	return os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
}

// recordTo writes each message once, and answers how many they were.
func (c *controlClient) recordTo(w io.Writer, filter []string) (n int, err error) {
	written := make(map[uint64]bool)
	err = c.lines("/api/tail", recordQuery(filter), func(line []byte) error {
		var m struct{ ID uint64 }
		if err := json.Unmarshal(line, &m); err != nil || written[m.ID] {
			return err
		}
		written[m.ID] = true
		_, err := w.Write(append(line, '\n'))
		return err
	})
	return len(written), err
}

func recordQuery(filter []string) url.Values {
	return url.Values{"full": {"1"}, "filter": {strings.Join(append([]string{recordedChannels}, filter...), " ")}}
}

// played is how far a playback is, and what came of it.
type played struct {
	Done      int     `json:"done"`
	All       int     `json:"all"`
	Finished  bool    `json:"finished"`
	Same      int     `json:"same"`
	Different int     `json:"different"`
	Skipped   int     `json:"skipped"`
	TookMS    float64 `json:"tookMs"`
	Details   []struct {
		What string   `json:"what"`
		Diff []string `json:"diff"`
	} `json:"details"`
}

func newPlay() *cobra.Command {
	var full bool
	var cmd *cobra.Command
	cmd = newRemote(&cobra.Command{
		Use:   "play FILE",
		Short: "Play a recording against a running server's application",
		Long: `play sends what a recording holds of requests and sockets to the application
once more, through the channel layer and with reply channels of its own, and
compares what was replied: status, headers and content of responses, and what
sockets were sent, in order. Names of connections, times, UUIDs and the values
of cookies are different each time and count as the same. A message is sent
when those before it have been answered as they were when recorded, or it is
clear that they will not be. Differences are shown as lines, recorded ones with
a minus, new ones with a plus; the exit status is then 1.

What is played happens: it changes state, and groups send to whoever is in
them. To spare a server, play against another one with a store of its own.`,
		Example: "  asgibox record traffic.jsonl\n  asgibox play traffic.jsonl --full-speed",
		Args:    cobra.ExactArgs(1),
	}, func(g flagGroup) {
		g.BoolVar(&full, "full-speed", false, "do not wait between messages as long as their clients did")
	}, func(c *controlClient, args []string) error {
		f, err := os.Open(args[0])
		if err != nil {
			return err
		}
		defer f.Close()
		path := "/api/playback"
		if full {
			path += "?speed=full"
		}
		resp, err := c.open(http.MethodPost, path, f)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		var p played
		err = eachLine(c.ctx, resp.Body, func(line []byte) error {
			if err := json.Unmarshal(line, &p); err != nil {
				return err
			}
			drawProgress(cmd.ErrOrStderr(), p.Done, p.All)
			return nil
		})
		if err != nil {
			return err
		}
		return c.sayPlayed(p)
	})
	return cmd
}

func (c *controlClient) sayPlayed(p played) error {
	switch {
	case !p.Finished:
		return fmt.Errorf("the playback ended after %d of %d messages", p.Done, p.All)
	case c.json:
		if err := c.print(p); err != nil {
			return err
		}
	default:
		fmt.Fprintf(c.out, "%s in %.1f s: %s answered as recorded, %d otherwise", count(p.Done, "message"), p.TookMS/1000, count(p.Same, "connection"), p.Different)
		if p.Skipped > 0 {
			fmt.Fprintf(c.out, "; %d recorded in part and left out", p.Skipped)
		}
		fmt.Fprintln(c.out)
		for _, d := range p.Details {
			fmt.Fprintf(c.out, "\n%s\n", oneLine(d.What))
			for _, line := range d.Diff {
				fmt.Fprintf(c.out, "  %s %s\n", line[:1], oneLine(line[1:]))
			}
		}
		if more := p.Different - len(p.Details); more > 0 {
			fmt.Fprintf(c.out, "\nand %d more\n", more)
		}
	}
	if p.Different > 0 {
		return &toldError{1}
	}
	return nil
}

// drawProgress draws a bar for whoever sees it.
func drawProgress(w io.Writer, done, all int) {
	if all == 0 || !onTerminal(w) {
		return
	}
	const width = 40
	n := width * done / all
	fmt.Fprintf(w, "\r[%s%s] %d/%d", strings.Repeat("█", n), strings.Repeat("·", width-n), done, all)
	if done == all {
		fmt.Fprint(w, "\r\x1b[K")
	}
}

func onTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
