package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"asgibox/internal/load"
)

// text is the text that WebSockets send.
var text = strings.Repeat("x", 64)

// clients returns a function that makes clients for a server.
type clients func(ctx context.Context, addr string) (func() load.Client, error)

func httpClients(ctx context.Context, addr string) (func() load.Client, error) {
	server, err := resolve(ctx, "http", addr)
	if err != nil {
		return nil, err
	}
	return server.HTTP(load.Request{Method: http.MethodGet}), nil
}

func tlsClients(ctx context.Context, addr string) (func() load.Client, error) {
	server, err := resolve(ctx, "https", addr)
	if err != nil {
		return nil, err
	}
	server.TLS.InsecureSkipVerify = true // the server's own certificate
	return server.HTTP(load.Request{Method: http.MethodGet}), nil
}

func echoClients(ctx context.Context, addr string) (func() load.Client, error) {
	server, err := resolve(ctx, "ws", addr)
	if err != nil {
		return nil, err
	}
	return server.Echo(nil, text), nil
}

func resolve(ctx context.Context, scheme, addr string) (*load.Server, error) {
	return load.Resolve(ctx, scheme+"://"+addr+"/", false)
}

// drive lets n clients work for the given span. Every operation must succeed.
func drive(ctx context.Context, newClients clients, addr string, n int, span time.Duration) (*load.Meter, error) {
	newClient, err := newClients(ctx, addr)
	if err != nil {
		return nil, err
	}
	m := &load.Meter{}
	if err := load.Run(ctx, newClient, load.Options{Connections: n, Duration: span}, m); err != nil {
		return nil, err
	}
	return m, failures(m)
}

// failures returns an error if an operation has failed or a response had another
// status than 200.
func failures(m *load.Meter) error {
	for _, f := range m.Failures() {
		return fmt.Errorf("%d operations failed, one of them with this error: %w", f.Count, f.Example)
	}
	for status, n := range m.Statuses() {
		if status != http.StatusOK {
			return fmt.Errorf("%d responses had status %d", n, status)
		}
	}
	return nil
}

// median returns the median of values, or zero if there are none. It sorts them.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return values[len(values)/2]
}
