package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
)

// watchView reads the stream of a view until ctx ends, like an open page of the
// inspector.
func watchView(ctx context.Context, control, view string) error {
	if view == "" || view == "off" {
		return nil
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+control+"/api/live?view="+view, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return fmt.Errorf("watch the view %s: %w", view, err)
	}
	go func() { // ends with ctx
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, resp.Body)
	}()
	return nil
}
