package client

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"asgibox/inspector/api"
)

func newTail() *cobra.Command {
	return newCommand(&cobra.Command{
		Use:   "tail [FILTER…]",
		Short: "Print the messages of a running server as they are sent",
		Long: `tail prints a line for each message until Ctrl-C. The filter is written as in
the inspector:

  channel:websocket.*  path:/chat/*  kind:refused  group:chat-*  trace:00c0ffee
  reply:CHANNEL  gen:3  text:"hello you"  hello  -channel:http.*

All terms must match; a minus negates a term; a word without a key is searched
for in the whole message.`,
	}, nil, func(c *client, args []string) error {
		query := url.Values{"filter": {strings.Join(args, " ")}}
		if c.json {
			query.Set("full", "1")
		}
		return c.Lines(c.ctx, "/api/tail", query, nil, func(line []byte) error {
			if c.json {
				return c.printLine(line)
			}
			var m api.Message
			if err := json.Unmarshal(line, &m); err != nil {
				return err
			}
			_, err := fmt.Fprintf(c.out, "%s %s %-8s %-28s %s%s\n", time.UnixMilli(int64(m.Sent)).Format("15:04:05.000"),
				m.Trace, m.Kind, m.Channel, oneLine(m.Preview), suffix(m.Place, m.Reason))
			return err
		})
	})
}

// oneLine replaces control characters, so that they do not reach the terminal.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
}

func suffix(parts ...string) string {
	text := ""
	for _, p := range parts {
		if p != "" {
			text += "  (" + oneLine(p) + ")"
		}
	}
	return text
}
