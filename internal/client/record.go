package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"asgibox/inspector/api"
	"asgibox/internal/command"
	"asgibox/internal/userfile"
)

// recordedChannels selects the traffic of protocol servers: messages from
// sockets and replies to them.
const recordedChannels = "channel:http.request,http.disconnect,websocket.connect,websocket.receive,websocket.disconnect,*!*"

func newRecord() *cobra.Command {
	var asTest bool
	return newCommand(&cobra.Command{
		Use:   "record FILE [FILTER…]",
		Short: "Record the traffic of a running server",
		Long: `record writes the messages from sockets and the replies to them to a file, or
to standard output for -, until Ctrl-C. Each message is a line of JSON. A filter,
written as for tail, selects messages. The command play plays the file. In heavy
traffic only some chains of messages are recorded, but each of them completely.
The file may be in the application's folder: the server does not watch it. Only
the owner can read a new file. An existing file keeps its mode.

With --as-test, the file is a new file of tests that expect the recorded replies.
They first set the state and the sessions that the application read. ANY stands
for times, names of connections and UUIDs. Keep record running until you have
stopped using the application, and the server running until record has ended.`,
		Example: "  asgibox record traffic.jsonl\n  asgibox record --as-test chat_test.star path:/chat/*",
		Args:    cobra.MinimumNArgs(1),
	}, func(g command.FlagGroup) {
		g.BoolVar(&asTest, "as-test", false, "write a file of tests for the command test: the requests and messages, and the replies")
	}, func(c *client, args []string) error {
		if args[0] == "" {
			return errors.New("the name of the file is empty; - stands for standard output")
		}
		if asTest {
			return c.recordTest(args[0], args[1:])
		}
		started := func() { fmt.Fprintln(c.errOut, "recording; press Ctrl-C to stop") }
		if args[0] == "-" {
			started()
			_, err := c.recordTo(c.out, args[1:])
			return err
		}
		f, err := c.recordingFile(args[0])
		if err != nil {
			return err
		}
		started()
		n, err := c.recordTo(f, args[1:])
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
		return c.report(map[string]int{"messages": n}, "%s in %s", command.Count(n, "message"), args[0])
	})
}

// recordingFile opens a file and tells the server not to watch it.
func (c *client) recordingFile(name string) (*os.File, error) {
	path, err := filepath.Abs(name)
	if err != nil {
		return nil, err
	}
	if err := c.Post(c.ctx, "/api/ignore", map[string]string{"file": path}, nil); err != nil {
		return nil, err
	}
	return userfile.Write(name, os.O_TRUNC, userfile.Private)
}

// recordTo writes each message once and returns the number of messages.
func (c *client) recordTo(w io.Writer, filter []string) (n int, err error) {
	written := make(map[uint64]bool)
	err = c.Lines(c.ctx, "/api/tail", recordQuery(filter), nil, func(line []byte) error {
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

func newPlay() *cobra.Command {
	var full bool
	return newCommand(&cobra.Command{
		Use:   "play FILE",
		Short: "Play a recording against a running server's application",
		Long: `play sends the recorded requests and socket messages to the application again,
through the channel layer and with its own reply channels, and compares the
replies: status, headers and content of responses, and the messages to sockets
in order. Names of connections, times, UUIDs and the values of cookies change
from run to run and are not compared. Of an error page only the status, the
headers and the message are compared, because an edit moves the rest. play sends a message when the messages
before it have received the recorded replies, or when it is clear that they will
not receive them. It prints differences as lines, with a minus for recorded lines
and a plus for new ones. If there are differences, the exit status is 1. The file
may be - for standard input.

A playback has real effects: it changes state, and groups send to their current
members. To protect a server, play the recording against another server that has
its own store.`,
		Example: "  asgibox record traffic.jsonl\n  asgibox play traffic.jsonl --full-speed",
		Args:    cobra.ExactArgs(1),
	}, func(g command.FlagGroup) {
		g.BoolVar(&full, "full-speed", false, "do not wait between messages; by default play waits as long as the clients did")
	}, func(c *client, args []string) error {
		recording := c.in
		if args[0] != "-" {
			f, err := userfile.Open(args[0])
			if err != nil {
				return err
			}
			defer f.Close()
			recording = f
		}
		query := url.Values{}
		if full {
			query.Set("speed", "full")
		}
		var p api.Playback
		err := c.Lines(c.ctx, "/api/playback", query, recording, func(line []byte) error {
			if err := json.Unmarshal(line, &p); err != nil {
				return err
			}
			drawProgress(c.errOut, p.Done, p.All)
			return nil
		})
		if err != nil {
			return err
		}
		return c.reportPlayed(p)
	})
}

func (c *client) reportPlayed(p api.Playback) error {
	switch {
	case !p.Finished:
		return fmt.Errorf("the playback ended after %d of %d messages", p.Done, p.All)
	case c.json:
		if err := c.print(p); err != nil {
			return err
		}
	default:
		fmt.Fprintf(c.out, "%s in %.1f s: %s got the recorded replies, %d did not", command.Count(p.Done, "message"), p.TookMS/1000, command.Count(p.Same, "connection"), p.Different)
		if p.Skipped > 0 {
			fmt.Fprintf(c.out, "; %d were recorded incompletely and not played", p.Skipped)
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
		return &command.ExitError{Status: 1}
	}
	return nil
}

// drawProgress draws a progress bar if w is a terminal.
func drawProgress(w io.Writer, done, all int) {
	if all == 0 || !command.OnTerminal(w) {
		return
	}
	const width = 40
	n := width * done / all
	fmt.Fprintf(w, "\r[%s%s] %d/%d", strings.Repeat("█", n), strings.Repeat("·", width-n), done, all)
	if done == all {
		fmt.Fprint(w, "\r\x1b[K")
	}
}
