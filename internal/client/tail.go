package client

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"asgibox/inspector/api"
	"asgibox/internal/command"
	"asgibox/internal/console"
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
for in the whole message. The name of a connection is shortened to …!CODE; the
filter reply:*!CODE finds its messages. --json prints names in full.`,
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
			kind := fmt.Sprintf("%-8s", m.Kind)
			if m.Kind == "failed" && command.InColor(c.out) {
				kind = "\x1b[31m" + kind + "\x1b[0m"
			}
			_, err := fmt.Fprintf(c.out, "%s %s %s %-*s %s%s\n", time.UnixMilli(int64(m.Sent)).Format("15:04:05.000"),
				m.Trace, kind, channelWidth, shortName(m.Channel), oneLine(m.Preview), suffix(m.Place, m.Reason))
			return err
		})
	})
}

// channelWidth is the width of tail's column of channels.
const channelWidth = 28

// shortName removes the random part of the name of a connection, and the middle of
// a name that is longer than the column.
func shortName(channel string) string {
	const ellipsis = "…"
	if at := strings.IndexByte(channel, '!'); at >= 0 && at < len(channel)-1 {
		channel = ellipsis + channel[at:]
	}
	runes := []rune(channel)
	if cut := len(runes) - channelWidth; cut > 0 {
		head := channelWidth * 2 / 5 // names differ at the end
		channel = string(runes[:head]) + ellipsis + string(runes[head+cut+1:])
	}
	return channel
}

// oneLine replaces control characters, so that they do not reach the terminal, and
// those that change the direction of a text.
func oneLine(s string) string {
	return console.Printable(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s))
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
