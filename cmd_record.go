package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// recordedChannels is the protocol servers' traffic: what came from sockets
// and what was replied to them.
const recordedChannels = "channel:http.request,websocket.connect,websocket.receive,websocket.disconnect,*!*"

func newRecord() *cobra.Command {
	var cmd *cobra.Command
	cmd = newRemote(&cobra.Command{
		Use:   "record FILE [FILTER…]",
		Short: "Record the traffic of a running server",
		Long: `record writes what comes from sockets and what is replied to them into a file,
a line of JSON a message, until Ctrl-C. A filter, as tail has it, narrows that.
play plays the file. Of heavy traffic a part is recorded, whole chains of it.`,
		Args: cobra.MinimumNArgs(1),
	}, nil, func(c *controlClient, args []string) error {
		f, err := os.OpenFile(args[0], os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
		if err != nil {
			return err
		}
		w := bufio.NewWriter(f)
		written := make(map[uint64]bool)
		fmt.Fprintln(cmd.ErrOrStderr(), "recording; Ctrl-C ends it")
		err = c.lines("/api/tail", recordQuery(args[1:]), func(line []byte) error {
			var m struct{ ID uint64 }
			if err := json.Unmarshal(line, &m); err != nil || written[m.ID] {
				return err
			}
			written[m.ID] = true
			if _, err := w.Write(append(line, '\n')); err != nil {
				return err
			}
			return w.Flush()
		})
		if closed := f.Close(); err == nil {
			err = closed
		}
		if err != nil {
			return err
		}
		return c.say(map[string]int{"messages": len(written)}, "%d messages in %s", len(written), args[0])
	})
	return cmd
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
		Path string `json:"path"`
		Want string `json:"want"`
		Got  string `json:"got"`
	} `json:"details"`
}

func newPlay() *cobra.Command {
	var full bool
	var cmd *cobra.Command
	cmd = newRemote(&cobra.Command{
		Use:   "play FILE",
		Short: "Play a recording against a running server's application",
		Long: `play sends what a recording holds of sockets to the application once more, with
reply channels of its own, and compares the replies with those that were
recorded: status and content of responses, and what sockets were sent. Its exit
status is 1 if some are different.`,
		Args: cobra.ExactArgs(1),
	}, func(g flagGroup) {
		g.BoolVar(&full, "full-speed", false, "do not wait as long between messages as when they were recorded")
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
		fmt.Fprintf(c.out, "%d messages in %.1f s: %d connections answered as recorded, %d otherwise", p.Done, p.TookMS/1000, p.Same, p.Different)
		if p.Skipped > 0 {
			fmt.Fprintf(c.out, ", %s with long bodies left out", count(p.Skipped, "request"))
		}
		fmt.Fprintln(c.out)
		for _, d := range p.Details {
			fmt.Fprintf(c.out, "\n%s\n  recorded  %s\n  now       %s\n", oneLine(d.Path), oneLine(d.Want), oneLine(d.Got))
		}
	}
	if p.Different > 0 {
		return &toldError{1}
	}
	return nil
}

// drawProgress draws a bar for whoever sees it.
func drawProgress(w io.Writer, done, all int) {
	f, ok := w.(*os.File)
	if !ok || all == 0 || !term.IsTerminal(int(f.Fd())) {
		return
	}
	const width = 40
	n := width * done / all
	fmt.Fprintf(w, "\r[%s%s] %d/%d", strings.Repeat("█", n), strings.Repeat("·", width-n), done, all)
	if done == all {
		fmt.Fprint(w, "\r\x1b[K")
	}
}
