package main

import (
	"context"
	"fmt"

	"asgibox/internal/load"
)

// measureIdle opens many WebSockets and sends one text on each, which the server
// echoes. It measures the memory that the server's process takes for each. Both
// processes need as many open files as there are sockets.
func measureIdle(ctx context.Context, r *row, o options) (result, error) {
	newClient, err := echoClients(ctx, r.p.addr)
	if err != nil {
		return result{}, err
	}
	open := make([]load.Client, 0, o.idle)
	defer func() {
		for _, c := range open {
			c.Close()
		}
	}()
	before := 0
	for len(open) < o.idle {
		c := newClient()
		if err := c.Connect(ctx); err != nil {
			return result{}, fmt.Errorf("socket %d: %w", len(open)+1, err)
		}
		open = append(open, c)
		if len(open) == 1 {
			if before, err = r.p.resident(); err != nil {
				return result{}, err
			}
		}
	}
	for i, c := range open {
		if _, err := c.Do(ctx); err != nil {
			return result{}, fmt.Errorf("the echo of socket %d: %w", i+1, err)
		}
	}
	after, err := r.p.resident()
	return result{memory: float64(after-before) / float64(o.idle)}, err
}
