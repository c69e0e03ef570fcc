package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"asgibox/asgi"
	"asgibox/asgi/codec"
	"asgibox/asgi/remote"
)

// withMessage writes the arguments of a call that sends, with the message as
// it was given: its floats keep their points.
func withMessage(key, name, message string) ([]byte, error) {
	if !json.Valid([]byte(message)) {
		return nil, fmt.Errorf("the message is not JSON: %s", message)
	}
	quoted, err := json.Marshal(name)
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, `{%q: %s, "message": %s}`, key, quoted, message), nil
}

// messageArgument is a message as it was given, or from standard input for "-".
func messageArgument(cmd *cobra.Command, arg string) (string, error) {
	if arg != "-" {
		return arg, nil
	}
	b, err := io.ReadAll(cmd.InOrStdin())
	return string(b), err
}

func newSend() *cobra.Command {
	var cmd *cobra.Command
	cmd = newRemote(&cobra.Command{
		Use:   "send CHANNEL JSON",
		Short: "Send a message to a channel of a running server",
		Long: `send gives a message to a channel and returns once it is taken or on disk.
The message is JSON, or - to read it from standard input; a text that begins
with U+FFFF is a byte string, the rest standard base64.`,
		Example:           `  asgibox send jobs '{"number": 7}'`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: completeChannels,
	}, nil, func(c *controlClient, args []string) error {
		message, err := messageArgument(cmd, args[1])
		if err != nil {
			return err
		}
		body, err := withMessage("channel", args[0], message)
		if err != nil {
			return err
		}
		var answer struct {
			Trace string `json:"trace"`
		}
		if err := c.post("/api/send", body, &answer); err != nil {
			return err
		}
		return c.say(answer, "sent to %s, trace %s", args[0], answer.Trace)
	})
	return cmd
}

func newReceive() *cobra.Command {
	var follow bool
	return newRemote(&cobra.Command{
		Use:   "receive CHANNEL…",
		Short: "Take messages from channels of a running server",
		Long: `receive waits for a message on any of the channels, takes it and prints it as a
line of JSON. What it takes no worker sees. Ctrl-C loses nothing: what was
assigned to it by then is printed.`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: completeChannels,
	}, func(g flagGroup) {
		g.BoolVarP(&follow, "follow", "f", false, "go on until Ctrl-C")
	}, func(c *controlClient, channels []string) error {
		layer, err := remote.Dial(c.ctx, c.base.String(), remote.ClientOptions{Token: c.token, Log: c.log})
		if err != nil {
			return err
		}
		defer layer.Close()
		for {
			d, err := layer.Receive(c.ctx, nil, channels...)
			switch {
			case c.ctx.Err() != nil && err != nil:
				return nil
			case err != nil:
				return err
			}
			if err := c.printDelivery(d); err != nil || !follow {
				return err
			}
		}
	})
}

func (c *controlClient) printDelivery(d asgi.Delivery) error {
	line := codec.AppendFieldsJSON(nil, asgi.Fields{{Key: "channel", Value: d.Channel}, {Key: "message", Value: d.Message.Dict}})
	_, err := fmt.Fprintf(c.out, "%s\n", line)
	return err
}

func newFlush() *cobra.Command {
	var yes bool
	return newRemote(&cobra.Command{
		Use:   "flush",
		Short: "Drop all messages and groups of a running server",
		Long:  "flush drops all queued and delayed messages and all groups. State and sessions stay.",
		Args:  cobra.NoArgs,
	}, func(g flagGroup) {
		g.BoolVarP(&yes, "yes", "y", false, "really")
	}, func(c *controlClient, _ []string) error {
		if !yes {
			return errors.New("flush drops everything that waits: say --yes if that is meant")
		}
		if err := c.post("/api/flush", struct{}{}, nil); err != nil {
			return err
		}
		return c.say(struct{}{}, "the layer is empty")
	})
}

func newReplay() *cobra.Command {
	return newRemote(&cobra.Command{
		Use:   "replay TRACE",
		Short: "Send again what began a chain of messages",
		Long: `replay makes the request that began a trace once more and prints the answer, or
sends the message that began it to its channel again. The inspector and tail
show traces.`,
		Args: cobra.ExactArgs(1),
	}, nil, func(c *controlClient, args []string) error {
		var raw json.RawMessage
		if err := c.post("/api/replay", map[string]string{"trace": args[0]}, &raw); err != nil {
			return err
		}
		if c.json {
			return c.print(raw)
		}
		var answer struct {
			Status         int
			Body           string
			Headers        [][2]string
			Channel, Trace string
		}
		if err := json.Unmarshal(raw, &answer); err != nil {
			return err
		}
		if answer.Status == 0 {
			return c.say(nil, "sent to %s again, trace %s", answer.Channel, answer.Trace)
		}
		fmt.Fprintf(c.out, "%d\n", answer.Status)
		for _, h := range answer.Headers {
			fmt.Fprintf(c.out, "%s: %s\n", h[0], h[1])
		}
		fmt.Fprintf(c.out, "\n%s\n", answer.Body)
		return nil
	})
}
