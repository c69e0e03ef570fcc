package main

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// channelRow is a channel as the control server tells it.
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
	return newRemote(&cobra.Command{
		Use:   "channels [PATTERN]",
		Short: "List the channels of a running server",
		Long: `channels lists channels, the fullest and busiest first: how many messages wait
and how many may, how long the first has waited, messages a second, and in all
those sent, refused since it was full, and expired unread.`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completeChannels,
	}, nil, func(c *controlClient, args []string) error {
		query := url.Values{}
		if len(args) == 1 {
			query.Set("pattern", args[0])
		}
		var answer struct {
			Channels []channelRow `json:"channels"`
			All      int          `json:"all"`
		}
		if err := c.get("/api/channels", query, &answer); err != nil {
			return err
		}
		if c.json {
			return c.print(answer.Channels)
		}
		var rows [][]string
		for _, ch := range answer.Channels {
			rows = append(rows, ch.row())
		}
		err := c.table("CHANNEL WAITING CAPACITY OLDEST RATE SENT REFUSED EXPIRED STATE", rows)
		if err == nil && answer.All > len(rows) {
			_, err = fmt.Fprintf(c.out, "and %d more\n", answer.All-len(rows))
		}
		return err
	})
}

func (ch channelRow) row() []string {
	oldest, state := "-", "nobody reads now"
	if ch.OldestMS > 0 {
		oldest = time.Duration(ch.OldestMS * 1e6).Round(time.Millisecond).String()
	}
	switch {
	case ch.Paused:
		state = "paused"
	case ch.Bound:
		state = "pushed to its owner"
	case ch.Readers > 0:
		state = count(ch.Readers, "reader")
	}
	return []string{
		ch.Name, strconv.Itoa(ch.Depth), strconv.Itoa(ch.Capacity), oldest, fmt.Sprintf("%.1f/s", ch.Rate),
		strconv.FormatUint(ch.Sent, 10), strconv.FormatUint(ch.Refused, 10), strconv.FormatUint(ch.Expired, 10), state,
	}
}

// pausedChannel is what a breakpoint holds.
type pausedChannel struct {
	Channel string `json:"channel"`
}

func (p pausedChannel) String() string {
	if strings.HasSuffix(p.Channel, "!") {
		return p.Channel + ", which is every channel that begins so,"
	}
	return p.Channel
}

func newPause() *cobra.Command {
	return newRemote(&cobra.Command{
		Use:   "pause CHANNEL",
		Short: "Hold what is sent to a channel",
		Long: `pause puts a breakpoint on a channel: what is sent to it waits and does not
expire, while sockets stay open. step lets one message pass, resume all.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeChannels,
	}, nil, func(c *controlClient, args []string) error {
		var answer pausedChannel
		if err := c.post("/api/channel/pause", map[string]string{"channel": args[0]}, &answer); err != nil {
			return err
		}
		return c.say(answer, "%s is paused", answer)
	})
}

func newStep() *cobra.Command {
	return newRemote(&cobra.Command{
		Use:               "step CHANNEL",
		Short:             "Let one message of a paused channel pass",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeChannels,
	}, nil, func(c *controlClient, args []string) error {
		var answer struct {
			Stepped bool `json:"stepped"`
		}
		if err := c.post("/api/channel/step", map[string]string{"channel": args[0]}, &answer); err != nil {
			return err
		}
		if !answer.Stepped {
			return c.say(answer, "nothing waits on %s, or it is not paused", args[0])
		}
		return c.say(answer, "one message passed")
	})
}

func newResume() *cobra.Command {
	return newRemote(&cobra.Command{
		Use:               "resume CHANNEL",
		Short:             "Let all messages of a paused channel go on",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeChannels,
	}, nil, func(c *controlClient, args []string) error {
		var answer struct {
			pausedChannel
			Resumed bool `json:"resumed"`
		}
		if err := c.post("/api/channel/resume", map[string]string{"channel": args[0]}, &answer); err != nil {
			return err
		}
		if !answer.Resumed {
			return c.say(answer, "%s was not paused", answer.Channel)
		}
		return c.say(answer, "%s goes on", answer)
	})
}
