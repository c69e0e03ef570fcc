// Command app is an application of asgibox in Go: a page that counts its visits,
// and a WebSocket whose messages go to everyone who has the page open.
//
//	asgibox run .
package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"asgibox/examples/go-worker/asgibox"
)

//go:embed page.html
var page string

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run handles messages until newer code replaces this program or ctx ends.
func run(ctx context.Context) error {
	layer, err := asgibox.Dial(ctx)
	if err != nil {
		return err
	}
	defer layer.Close()
	for {
		channel, message, err := layer.Receive(ctx, "http.request", "websocket.connect", "websocket.receive", "websocket.disconnect")
		if errors.Is(err, asgibox.ErrRetired) || ctx.Err() != nil && channel == "" {
			return nil
		}
		if err != nil {
			return err
		}
		if err := handle(ctx, layer, channel, message); err != nil && !errors.Is(err, asgibox.ErrGone) {
			fmt.Fprintln(os.Stderr, channel, err)
		}
	}
}

// handle handles one message. A process handles one message at a time;
// asgibox run --workers 8 starts eight processes.
func handle(ctx context.Context, layer *asgibox.Layer, channel string, m asgibox.Message) error {
	reply := m.Text("reply_channel")
	switch channel {
	case "http.request":
		if m.Text("path") != "/" {
			return layer.Send(ctx, reply, asgibox.Message{"status": 404, "content": "There is no such page.\n"})
		}
		visits, err := layer.Call(ctx, "state/incr", asgibox.Message{"key": "visits"})
		if err != nil {
			return err
		}
		content := strings.ReplaceAll(page, "{visits}", fmt.Sprint(visits.Int("value")))
		return layer.Send(ctx, reply, asgibox.Message{
			"status":  200,
			"headers": []any{[]any{[]byte("Content-Type"), []byte("text/html; charset=utf-8")}},
			"content": content,
		})
	case "websocket.connect":
		// First the group, because another process may handle the first text.
		if err := layer.GroupAdd(ctx, "everyone", reply); err != nil {
			return err
		}
		return layer.Send(ctx, reply, asgibox.Message{"accept": true})
	case "websocket.receive":
		return layer.SendGroup(ctx, "everyone", asgibox.Message{"text": m.Text("text")})
	case "websocket.disconnect":
		return layer.GroupDiscard(ctx, "everyone", reply)
	}
	return nil
}
