package client

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"asgibox/inspector/api"
	"asgibox/internal/command"
)

func newChannels() *cobra.Command {
	return newLayerCommand(&cobra.Command{
		Use:   "channels [PATTERN]",
		Short: "List the channels of a running server",
		Long: `channels lists the channels of a running server, the fullest and busiest first.
For each it shows how many messages wait, the channel's capacity, the age of the
oldest message, the messages per second, and the total numbers of messages that
were sent, refused because the channel was full, and expired unread. Of a layer
on Redis, it does not know how many messages have expired and who reads.`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completeChannels,
	}, nil, func(c *client, args []string) error {
		query := url.Values{}
		if len(args) == 1 {
			query.Set("pattern", args[0])
		}
		var response api.Channels
		if err := c.Get(c.ctx, "/api/channels", query, &response); err != nil {
			return err
		}
		if c.json {
			return c.print(response.Channels)
		}
		var rows [][]string
		for _, ch := range response.Channels {
			rows = append(rows, channelRow(ch))
		}
		err := c.table("CHANNEL WAITING CAPACITY OLDEST RATE SENT REFUSED EXPIRED STATE", rows)
		if err == nil && response.All > len(rows) {
			_, err = fmt.Fprintf(c.out, "and %d more\n", response.All-len(rows))
		}
		return err
	})
}

func channelRow(ch api.Channel) []string {
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
	case ch.Readers < 0:
		state = "-" // Redis does not know its readers
	}
	return []string{
		ch.Name, strconv.Itoa(ch.Depth), strconv.Itoa(ch.Capacity), oldest, fmt.Sprintf("%.1f/s", ch.Rate),
		strconv.FormatUint(ch.Sent, 10), strconv.FormatUint(ch.Refused, 10), strconv.FormatUint(ch.Expired, 10), state,
	}
}

// pausedName names the channels that a breakpoint holds.
func pausedName(channel string) string {
	if strings.HasSuffix(channel, "!") {
		return channel + ", that is every channel with this prefix,"
	}
	return channel
}

func newPause() *cobra.Command {
	return newCommand(&cobra.Command{
		Use:   "pause CHANNEL",
		Short: "Hold the messages of a channel",
		Long: `pause sets a breakpoint on a channel: its messages wait and do not expire, while
sockets stay open. step delivers one message, resume delivers all messages.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeChannels,
	}, nil, func(c *client, args []string) error {
		var response api.Paused
		if err := c.Post(c.ctx, "/api/channel/pause", map[string]string{"channel": args[0]}, &response); err != nil {
			return err
		}
		return c.report(response, "%s is paused", pausedName(response.Channel))
	})
}

func newStep() *cobra.Command {
	return newCommand(&cobra.Command{
		Use:   "step CHANNEL",
		Short: "Deliver one message of a paused channel",
		Long: `step delivers one message of a paused channel. If no message waits, the exit
status is 1.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeChannels,
	}, nil, func(c *client, args []string) error {
		var response api.Stepped
		if err := c.Post(c.ctx, "/api/channel/step", map[string]string{"channel": args[0]}, &response); err != nil {
			return err
		}
		if !response.Stepped {
			if c.json {
				return errors.Join(c.print(response), &command.ExitError{Status: 1})
			}
			return fmt.Errorf("no message waits on %s, or the channel is not paused", args[0])
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
		var response api.Resumed
		if err := c.Post(c.ctx, "/api/channel/resume", map[string]string{"channel": args[0]}, &response); err != nil {
			return err
		}
		if !response.Resumed {
			return c.report(response, "%s was not paused", response.Channel)
		}
		return c.report(response, "%s is no longer paused", pausedName(response.Channel))
	})
}
