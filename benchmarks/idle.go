package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
)

// idle opens many WebSockets to one server after another and sends one text on
// each, which the server echoes. It prints the memory that the server's process
// takes for them. Both processes need as many open files as there are sockets.
func idle(ctx context.Context, o options) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	rs := rows("echo")
	if err := startAll(ctx, rs, o); err != nil {
		return err
	}
	fmt.Printf("| server | memory with %d idle WebSockets, MB | bytes for each |\n|---|---:|---:|\n", o.idle)
	for _, r := range rs {
		before, after, err := r.hold(o.idle)
		if err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
		fmt.Printf("| %s | %d | %d |\n", r.name, after>>20, (after-before)/o.idle)
	}
	stop()
	for _, r := range rs {
		r.p.cmd.Wait() // ignores the error: it was interrupted
	}
	return nil
}

// hold returns the server's memory with one open socket and with n.
func (r *row) hold(n int) (before, after int, err error) {
	open := make([]*wsClient, 0, n)
	defer func() {
		for _, c := range open {
			c.close()
		}
	}()
	for len(open) < n {
		c, err := dialWebSocket(r.p.addr)
		if err != nil {
			return 0, 0, fmt.Errorf("socket %d: %w", len(open)+1, err)
		}
		open = append(open, c)
		if len(open) == 1 {
			if before, err = r.p.resident(); err != nil {
				return 0, 0, err
			}
		}
	}
	for i, c := range open {
		if err := c.do(); err != nil {
			return 0, 0, fmt.Errorf("the echo of socket %d: %w", i+1, err)
		}
	}
	after, err = r.p.resident()
	return before, after, err
}

// resident returns the resident memory of the process, in bytes.
func (p *process) resident() (int, error) {
	statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.cmd.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("memory of a server: %w", err)
	}
	pages, err := strconv.Atoi(string(bytes.Fields(statm)[1]))
	return pages * os.Getpagesize(), err
}
