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

// A row is one server and its results.
type row struct {
	group, name string
	server      string // name of a server of this program
	app         string // or file of an application for asgibox run
	view        string // view of the inspector that a page shows; "off" without an inspector
	p           *process
	results     []result
}

// A result is one repetition.
type result struct {
	rate float64       // operations per second
	cpu  float64       // CPU time of the server per operation, in µs
	p50  time.Duration // median time of an operation on a single connection
}

// rows returns the rows to compare. The first row of a group is its baseline.
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
		{group: "inspector", name: "--control off", app: "examples/hello.star", view: "off"},
		{group: "inspector", name: "no page open", app: "examples/hello.star"},
		{group: "inspector", name: "a page shows Flow", app: "examples/hello.star", view: "flow"},
		{group: "inspector", name: "a page shows Messages", app: "examples/hello.star", view: "messages"},
		{group: "inspector", name: "--control off, again", app: "examples/hello.star", view: "off"},
	}
	return slices.DeleteFunc(all, func(r *row) bool { return only != "" && r.group != only })
}

// measure starts the servers, drives them and prints the tables.
func measure(ctx context.Context, o options) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	rs := rows(o.only)
	if len(rs) == 0 {
		return fmt.Errorf("unknown group of rows %q; the groups are http, echo, group and inspector", o.only)
	}
	if err := startAll(ctx, rs, o); err != nil {
		return err
	}
	defer func() {
		stop()
		for _, r := range rs {
			r.p.cmd.Wait() // ignores the error: it was interrupted
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
			r.p, err = startProduct(ctx, o.asgibox, r.app, r.view)
		} else {
			r.p, err = start(ctx, r.server)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// profile puts load on one server of this program, which writes its profile.
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
	r.p.cmd.Wait() // ignores the error: it was interrupted
	if err == nil {
		fmt.Printf("%s: %.0f operations/s, %.1f µs of CPU each; go tool pprof -top %s\n", o.profile, res.rate, res.cpu, file)
	}
	return err
}

const connections = 16

func (r *row) measure(o options) (result, error) {
	switch r.group {
	case "http", "inspector":
		return r.closedLoop(dialHTTP, o.span)
	case "echo":
		return r.closedLoop(dialEcho, o.span)
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

// closedLoop measures many connections together and then a single one.
func (r *row) closedLoop(dial dialer, span time.Duration) (result, error) {
	before, err := r.p.cpu()
	if err != nil {
		return result{}, err
	}
	start := time.Now()
	took, err := drive(dial, r.p.addr, connections, span)
	if err != nil {
		return result{}, err
	}
	elapsed := time.Since(start)
	after, err := r.p.cpu()
	if err != nil {
		return result{}, err
	}
	alone, err := drive(dial, r.p.addr, 1, span/3)
	return result{
		rate: float64(len(took)) / elapsed.Seconds(),
		cpu:  micros(after-before) / float64(len(took)),
		p50:  median(alone),
	}, err
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// progress shows the progress in one line, if stderr is a terminal.
func progress(format string, args ...any) {
	if info, err := os.Stderr.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		fmt.Fprintf(os.Stderr, "\r\033[K"+format, args...)
	}
}
