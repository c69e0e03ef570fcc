package client

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"asgibox/internal/command"
)

// channelRow describes a channel.
type channelRow struct {
	Name     string  `json:"name"`
	Kind     string  `json:"kind"`
	Depth    int     `json:"depth"`
	Capacity int     `json:"capacity"`
	OldestMS float64 `json:"oldestMs"`
	Readers  int     `json:"readers"`
	Bound    bool    `json:"bound"`
	Paused   bool    `json:"paused"`
	Sent     uint64  `json:"sent"`
	Rate     float64 `json:"rate"`
	Refused  uint64  `json:"refused"`
	Expired  uint64  `json:"expired"`
}

func newChannels() *cobra.Command {
	return newCommand(&cobra.Command{
		Use:   "channels [PATTERN]",
		Short: "List the channels of a running server",
		Long: `channels lists the channels of a running server, the fullest and busiest first.
For each it shows how many messages wait, the channel's capacity, the age of the
oldest message, the messages per second, and the total numbers of messages that
were sent, refused because the channel was full, and expired unread.`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completeChannels,
	}, nil, func(c *client, args []string) error {
		query := url.Values{}
		if len(args) == 1 {
			query.Set("pattern", args[0])
		}
		var response struct {
			Channels []channelRow `json:"channels"`
			All      int          `json:"all"`
		}
		if err := c.get("/api/channels", query, &response); err != nil {
			return err
		}
		if c.json {
			return c.print(response.Channels)
		}
		var rows [][]string
		for _, ch := range response.Channels {
			rows = append(rows, ch.row())
		}
		err := c.table("CHANNEL WAITING CAPACITY OLDEST RATE SENT REFUSED EXPIRED STATE", rows)
		if err == nil && response.All > len(rows) {
			_, err = fmt.Fprintf(c.out, "and %d more\n", response.All-len(rows))
		}
		return err
	})
}

func (ch channelRow) row() []string {
	oldest, state := "-", "no reader"
	if ch.OldestMS > 0 {
		oldest = time.Duration(ch.OldestMS * 1e6).Round(time.Millisecond).String()
	}
	switch {
	case ch.Paused:
		state = "paused"
	case ch.Bound:
		state = "delivered to its owner"
	case ch.Readers > 0:
		state = command.Count(ch.Readers, "reader")
	}
	return []string{
		ch.Name, strconv.Itoa(ch.Depth), strconv.Itoa(ch.Capacity), oldest, fmt.Sprintf("%.1f/s", ch.Rate),
		strconv.FormatUint(ch.Sent, 10), strconv.FormatUint(ch.Refused, 10), strconv.FormatUint(ch.Expired, 10), state,
	}
}

// pausedChannel is the channel, or the prefix of channels, that a breakpoint
// holds.
type pausedChannel struct {
	Channel string `json:"channel"`
}

func (p pausedChannel) String() string {
	if strings.HasSuffix(p.Channel, "!") {
		return p.Channel + ", that is every channel with this prefix,"
	}
	return p.Channel
}

func newPause() *cobra.Command {
	return newCommand(&cobra.Command{
		Use:   "pause CHANNEL",
		Short: "Hold the messages of a channel",
		Long: `pause sets a breakpoint on a channel: its messages wait and do not expire, while
sockets stay open. step delivers one message, resume all.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeChannels,
	}, nil, func(c *client, args []string) error {
		var response pausedChannel
		if err := c.post("/api/channel/pause", map[string]string{"channel": args[0]}, &response); err != nil {
			return err
		}
		return c.report(response, "%s is paused", response)
	})
}

func newStep() *cobra.Command {
	return newCommand(&cobra.Command{
		Use:               "step CHANNEL",
		Short:             "Deliver one message of a paused channel",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeChannels,
	}, nil, func(c *client, args []string) error {
		var response struct {
			Stepped bool `json:"stepped"`
		}
		if err := c.post("/api/channel/step", map[string]string{"channel": args[0]}, &response); err != nil {
			return err
		}
		if !response.Stepped {
			return c.report(response, "no message waits on %s, or it is not paused", args[0])
		}
		return c.report(response, "delivered one message")
	})
}

func newResume() *cobra.Command {
	return newCommand(&cobra.Command{
		Use:               "resume CHANNEL",
		Short:             "Deliver all messages of a paused channel",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeChannels,
	}, nil, func(c *client, args []string) error {
		var response struct {
			pausedChannel
			Resumed bool `json:"resumed"`
		}
		if err := c.post("/api/channel/resume", map[string]string{"channel": args[0]}, &response); err != nil {
			return err
		}
		if !response.Resumed {
			return c.report(response, "%s was not paused", response.Channel)
		}
		return c.report(response, "%s is no longer paused", response)
	})
}
