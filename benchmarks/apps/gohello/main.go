// Command gohello is the four lines in Go.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"asgibox/examples/go-worker/asgibox"
)

func main() {
	if err := run(context.Background()); err != nil && !errors.Is(err, asgibox.ErrRetired) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	layer, err := asgibox.Dial(ctx)
	if err != nil {
		return err
	}
	defer layer.Close()
	for {
		_, request, err := layer.Receive(ctx, "http.request")
		if err != nil {
			return err
		}
		if err := layer.Send(ctx, request.Text("reply_channel"), asgibox.Message{"content": "Hello World!", "status": 200}); err != nil {
			return err
		}
	}
}
