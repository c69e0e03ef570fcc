package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// A row is one server and what it did in each repetition.
type row struct {
	group, name string
	server      string // of this program
	app         string // or of the product
	look        string // the inspector's view that somebody looks at; "off" without an inspector
	p           *process
	results     []result
}

// A result is one repetition.
type result struct {
	rate float64       // operations a second
	cpu  float64       // µs of the server for each
	p50  time.Duration // of one connection, one operation at a time
}

// rows are what is compared; the first of a group is its baseline.
func rows(only string) []*row {
	all := []*row{
		{group: "http", name: "net/http hello", server: "nethttp"},
		{group: "http", name: "layer, consumer in Go", server: "go-hello"},
		{group: "http", name: "asgibox run examples/hello.star", app: "examples/hello.star"},
		{group: "echo", name: "coder/websocket echo", server: "coder-echo"},
		{group: "echo", name: "layer, echo in Go", server: "go-echo"},
		{group: "echo", name: "asgibox run benchmarks/apps/echo.star", app: "benchmarks/apps/echo.star"},
		{group: "group", name: "coder/websocket hub", server: "coder-hub"},
		{group: "group", name: "layer, group in Go", server: "go-group"},
		{group: "group", name: "asgibox run benchmarks/apps/group.star", app: "benchmarks/apps/group.star"},
		{group: "look", name: "--control off", app: "examples/hello.star", look: "off"},
		{group: "look", name: "nobody looks", app: "examples/hello.star"},
		{group: "look", name: "somebody looks at Flow", app: "examples/hello.star", look: "flow"},
		{group: "look", name: "somebody looks at Messages", app: "examples/hello.star", look: "messages"},
		{group: "look", name: "--control off, once more", app: "examples/hello.star", look: "off"},
	}
	return slices.DeleteFunc(all, func(r *row) bool { return only != "" && r.group != only })
}

// measure starts the servers, drives them and prints the tables.
func measure(ctx context.Context, o options) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	rs := rows(o.only)
	if len(rs) == 0 {
		return fmt.Errorf("there are no rows %q: http, echo, group or look", o.only)
	}
	if err := startAll(ctx, rs, o); err != nil {
		return err
	}
	defer func() {
		stop()
		for _, r := range rs {
			r.p.cmd.Wait() // its being interrupted is no news
		}
	}()
	for round := range o.rounds {
		for _, r := range rs {
			if ctx.Err() != nil {
				return errors.New("interrupted")
			}
			progress("round %d of %d: %s", round+1, o.rounds, r.name)
			res, err := r.measure(o)
			if err != nil {
				return fmt.Errorf("%s: %w", r.name, err)
			}
			r.results = append(r.results, res)
		}
	}
	progress("")
	report(os.Stdout, rs, o)
	return nil
}

func startAll(ctx context.Context, rs []*row, o options) (err error) {
	for _, r := range rs {
		if r.app != "" && o.asgibox == "" {
			if o.asgibox, err = build(ctx); err != nil {
				return err
			}
		}
		if r.app != "" {
			r.p, err = startProduct(ctx, o.asgibox, r.app, r.look)
		} else {
			r.p, err = start(ctx, r.server)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// profile drives one server of this program and leaves a profile of it.
func profile(ctx context.Context, o options) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	_, group, _ := strings.Cut(o.profile, "-")
	r := &row{name: o.profile, group: map[string]string{"echo": "echo", "group": "group", "hub": "group"}[group]}
	if r.group == "" {
		r.group = "http"
	}
	file := o.profile + ".prof"
	var err error
	if r.p, err = start(ctx, o.profile, "-cpuprofile", file); err != nil {
		return err
	}
	res, err := r.measure(o)
	stop()
	r.p.cmd.Wait() // its being interrupted is no news
	if err == nil {
		fmt.Printf("%s: %.0f operations/s, %.1f µs of CPU each; go tool pprof -top %s\n", o.profile, res.rate, res.cpu, file)
	}
	return err
}

const connections = 16

func (r *row) measure(o options) (result, error) {
	switch r.group {
	case "http", "look":
		return r.closedLoop(dialHTTP(r.p.addr), o.span)
	case "echo":
		return r.closedLoop(dialEcho(r.p.addr), o.span)
	}
	var before time.Duration
	copies, took, err := broadcast(r.p.addr, o.sockets, o.span, func() (err error) {
		before, err = r.p.cpu()
		return err
	})
	if err != nil {
		return result{}, err
	}
	after, err := r.p.cpu()
	return result{rate: float64(copies) / took.Seconds(), cpu: micros(after-before) / float64(copies)}, err
}

// closedLoop measures many connections at once and then one alone.
func (r *row) closedLoop(dial func() (client, error), span time.Duration) (result, error) {
	before, err := r.p.cpu()
	if err != nil {
		return result{}, err
	}
	begin := time.Now()
	took, err := drive(dial, connections, span)
	if err != nil {
		return result{}, err
	}
	elapsed := time.Since(begin)
	after, err := r.p.cpu()
	if err != nil {
		return result{}, err
	}
	alone, err := drive(dial, 1, span/3)
	return result{
		rate: float64(len(took)) / elapsed.Seconds(),
		cpu:  micros(after-before) / float64(len(took)),
		p50:  median(alone),
	}, err
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// progress shows on a terminal what is going on, in one line.
func progress(format string, args ...any) {
	if info, err := os.Stderr.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		fmt.Fprintf(os.Stderr, "\r\033[K"+format, args...)
	}
}
