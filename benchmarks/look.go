package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
)

// lookAt does what an open page of the inspector does: it reads the stream of
// a view, until ctx ends.
func lookAt(ctx context.Context, control, view string) error {
	if view == "" || view == "off" {
		return nil
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+control+"/api/live?view="+view, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return fmt.Errorf("looking at %s: %w", view, err)
	}
	go func() { // ends with ctx
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, resp.Body)
	}()
	return nil
}
