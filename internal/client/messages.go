package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"asgibox/asgi"
	"asgibox/asgi/codec"
	"asgibox/asgi/remote"
	"asgibox/inspector/api"
	"asgibox/internal/command"
	"asgibox/internal/console"
)

// outcomeWait is how long a send waits for the outcome of its message.
const outcomeWait = time.Second

// send makes a call that sends a message to the channel or group with the given
// name. The argument is the message, or "-" for standard input. It is sent as
// it was given, so that 1.0 stays a float.
func (c *client) send(path, key, name, argument string) error {
	message := []byte(argument)
	if argument == "-" {
		var err error
		if message, err = io.ReadAll(c.in); err != nil {
			return err
		}
	}
	message = bytes.TrimPrefix(message, []byte("\uFEFF")) // a byte order mark
	if !json.Valid(message) {
		return fmt.Errorf("the message is not JSON: %s", message)
	}
	var response api.Sent
	arguments := map[string]any{key: name, "message": json.RawMessage(message), "wait": outcomeWait.Milliseconds()}
	if err := c.Post(c.ctx, path, arguments, &response); err != nil {
		return err
	}
	text := fmt.Sprintf("sent to %s, trace %s", name, response.Trace)
	if response.Outcome != "" {
		text += ": " + oneLine(response.Outcome)
	}
	return c.report(response, "%s", text)
}

func newSend() *cobra.Command {
	return newLayerCommand(&cobra.Command{
		Use:   "send CHANNEL JSON",
		Short: "Send a message to a channel of a running server",
		Long: `send sends a message to a channel and returns when a reader has it or it is on
disk. It waits for up to 1 s for the outcome and prints it: which function has
handled the message or failed, or that no route matches it or nothing reads the
channel. The message is JSON, or - to read JSON from standard input. A string that
begins with U+FFFF is a byte string; the rest of it is standard base64.`,
		Example:           `  asgibox send jobs '{"number": 7}'`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: completeChannels,
	}, nil, func(c *client, args []string) error {
		return c.send("/api/send", "channel", args[0], args[1])
	})
}

func newReceive() *cobra.Command {
	var follow bool
	return newLayerCommand(&cobra.Command{
		Use:   "receive CHANNEL…",
		Short: "Receive messages from channels of a running server",
		Long: `receive waits for a message on any of the channels and prints it as a line of
JSON. No worker gets that message. Ctrl-C loses nothing: a message that was
already assigned to the command is printed.`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: completeChannels,
	}, func(g command.FlagGroup) {
		g.BoolVarP(&follow, "follow", "f", false, "receive until Ctrl-C")
	}, func(c *client, channels []string) error {
		layer, closeLayer, err := c.dialLayer()
		if err != nil {
			return err
		}
		defer closeLayer()
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

// dialLayer returns the layer of the server or, if the command reaches that
// directly, the layer itself.
func (c *client) dialLayer() (layer asgi.Layer, closeLayer func(), err error) {
	if c.direct != nil {
		return c.direct.layer, func() {}, nil
	}
	l, err := remote.Dial(c.ctx, c.Base, remote.ClientOptions{Token: c.Token, Agent: c.Agent, Log: slog.New(console.New(c.errOut, console.Options{}))})
	if err != nil {
		return nil, nil, err
	}
	return l, l.Close, nil
}

func (c *client) printDelivery(d asgi.Delivery) error {
	return c.printLine(codec.AppendFieldsJSON(nil, asgi.Fields{{Key: "channel", Value: d.Channel}, {Key: "message", Value: d.Message.Dict}}))
}

func newFlush() *cobra.Command {
	var yes bool
	return newLayerCommand(&cobra.Command{
		Use:   "flush",
		Short: "Drop all messages and groups of a running server",
		Long:  "flush drops all queued and delayed messages and all groups. State and sessions stay.",
		Args:  cobra.NoArgs,
	}, func(g command.FlagGroup) {
		g.BoolVarP(&yes, "yes", "y", false, "do not ask for confirmation")
	}, func(c *client, _ []string) error {
		if !yes {
			return errors.New("flush drops all waiting messages and all groups: pass --yes to confirm")
		}
		if err := c.Post(c.ctx, "/api/flush", struct{}{}, nil); err != nil {
			return err
		}
		return c.report(struct{}{}, "flushed the channel layer")
	})
}

func newReplay() *cobra.Command {
	return newCommand(&cobra.Command{
		Use:   "replay TRACE",
		Short: "Repeat the request or message that started a chain",
		Long: `replay repeats the start of a trace: it sends the HTTP request again and prints
the response, or sends the message to its channel again. The inspector and tail
show traces.`,
		Args: cobra.ExactArgs(1),
	}, nil, func(c *client, args []string) error {
		var raw json.RawMessage
		if err := c.Post(c.ctx, "/api/replay", map[string]string{"trace": args[0]}, &raw); err != nil {
			return err
		}
		if c.json {
			return c.print(raw)
		}
		var response struct {
			api.Response
			api.Sent
		}
		if err := json.Unmarshal(raw, &response); err != nil {
			return err
		}
		if response.Status == 0 {
			return c.report(nil, "sent to %s again, trace %s", response.Channel, response.Trace)
		}
		fmt.Fprintf(c.out, "%d\n", response.Status)
		text := ""
		for _, h := range response.Headers {
			text += fmt.Sprintf("%s: %s\n", h[0], h[1])
		}
		fmt.Fprintln(c.out, c.shown(text+"\n"+response.Body))
		return nil
	})
}

// shown returns a text without the control characters that a terminal obeys, if the
// output is a terminal.
func (c *client) shown(text string) string {
	if !command.OnTerminal(c.out) {
		return text
	}
	lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	for i, line := range lines {
		lines[i] = console.Printable(strings.ReplaceAll(line, "\t", "    "))
	}
	return strings.Join(lines, "\n")
}
