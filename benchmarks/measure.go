package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"asgibox/internal/load"
)

// A result is one repetition. A value that is not measured is zero.
type result struct {
	rate     float64       // operations per second
	cpu      float64       // CPU time of the server per operation, in µs
	p50, p99 time.Duration // of operations on many connections
	alone    time.Duration // median time of an operation on a single connection
	memory   float64       // in the unit of the group

	p95, slowest          time.Duration    // of saves
	starts                [2]time.Duration // of python3 -c pass meanwhile: median and 95th percentile
	saves, failed, closed int              // numbers of saves, of requests that failed, of WebSockets that closed
}

// measure measures the groups, one after another, and prints their tables.
func measure(ctx context.Context, o options) error {
	wanted := groups()
	if o.only != "" {
		wanted = slices.DeleteFunc(wanted, func(g *group) bool { return g.name != o.only && !strings.HasPrefix(g.name, o.only+"-") })
	}
	if len(wanted) == 0 {
		return fmt.Errorf("unknown table %q; the tables are %s", o.only, groupNames())
	}
	remove, err := o.build(ctx)
	if err != nil {
		return err
	}
	defer remove()
	reportMachine(os.Stdout, o)
	if strings.HasPrefix(wanted[len(wanted)-1].name, "processes-") {
		reportPython(ctx, os.Stdout)
	}
	for _, g := range wanted {
		if err := g.run(ctx, o); err != nil {
			return fmt.Errorf("%s: %w", g.name, err)
		}
		progress("")
		g.report(os.Stdout, o)
	}
	return nil
}

// run starts the servers of the group, measures them in turns, and ends them.
func (g *group) run(ctx context.Context, o options) error {
	ctx, stop := context.WithCancel(ctx)
	defer func() {
		stop()
		for _, r := range g.rows {
			r.p.wait()
		}
	}()
	if err := g.start(ctx, o); err != nil {
		return err
	}
	rounds := o.rounds
	if g.once {
		rounds = 1
	}
	for round := range rounds {
		for _, r := range g.rows {
			progress("%s, round %d of %d: %s", g.name, round+1, rounds, r.name)
			res, err := g.measure(ctx, r, o)
			if ctx.Err() != nil {
				return errors.New("interrupted")
			}
			if err != nil {
				return fmt.Errorf("%s: %w", r.name, err)
			}
			r.results = append(r.results, res)
		}
	}
	return nil
}

// start starts the servers of the group. It drops the rows of peers that are not
// installed.
func (g *group) start(ctx context.Context, o options) error {
	var started []*row
	for _, r := range g.rows {
		if slices.ContainsFunc(r.needs, func(need string) bool { return !installed(ctx, need) }) {
			g.missing = append(g.missing, r.name)
			continue
		}
		var err error
		switch {
		case r.server != "":
			r.p, err = start(ctx, r.server)
		case r.onRedis > 0:
			r.p, err = startOnRedis(ctx, o.asgibox, r)
		case r.app != "":
			r.p, err = startProduct(ctx, o.asgibox, r)
		case r.saves != "":
			r.p, err = startSaved(ctx, o, r)
		case r.run != nil:
			r.p, err = startProduct(ctx, o.asgibox, r)
		case r.peer != "":
			r.p, err = peers[r.peer].start(ctx)
		case r.redis != nil:
			_, err = exec.LookPath("redis-server")
		}
		if (r.peer != "" || r.redis != nil || r.onRedis > 0) && errors.Is(err, exec.ErrNotFound) {
			g.missing = append(g.missing, r.name)
			continue
		}
		if err != nil {
			return err
		}
		started = append(started, r)
	}
	g.rows = started
	return nil
}

// profile puts load on one server of this program, which writes its profile.
func profile(ctx context.Context, o options) error {
	if servers[o.profile] == nil {
		return fmt.Errorf("unknown server %q; the servers are %s", o.profile, serverNames())
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	measure := closedLoop(httpClients)
	switch _, kind, _ := strings.Cut(o.profile, "-"); kind {
	case "tls":
		measure = closedLoop(tlsClients)
	case "echo":
		measure = closedLoop(echoClients)
	case "group", "hub":
		measure = measureBroadcast
	case "bulk":
		measure = measureDownload
	}
	file := o.profile + ".prof"
	p, err := start(ctx, o.profile, "-cpuprofile", file)
	if err != nil {
		return err
	}
	res, err := measure(ctx, &row{p: p}, o)
	stop()
	p.wait()
	if err == nil {
		fmt.Printf("%s: %.0f operations/s, %.1f µs of CPU each; go tool pprof -top %s\n", o.profile, res.rate, res.cpu, file)
	}
	return err
}

const connections = 16

// closedLoop returns a function that measures many connections together and then
// a single one.
func closedLoop(newClients clients) func(context.Context, *row, options) (result, error) {
	return closedLoopOf(connections, newClients)
}

// closedLoopOf is closedLoop with a number of connections.
func closedLoopOf(connections int, newClients clients) func(context.Context, *row, options) (result, error) {
	return func(ctx context.Context, r *row, o options) (result, error) {
		before, err := r.p.cpu()
		if err != nil {
			return result{}, err
		}
		start := time.Now()
		all, err := drive(ctx, newClients, r.p.addr, connections, o.span)
		if err != nil {
			return result{}, err
		}
		elapsed := time.Since(start)
		after, err := r.p.cpu()
		if err != nil {
			return result{}, err
		}
		n := float64(all.Completed())
		alone, err := drive(ctx, newClients, r.p.addr, 1, o.span/3)
		if err != nil {
			return result{}, err
		}
		return result{
			rate:  n / elapsed.Seconds(),
			cpu:   micros(after-before) / n,
			p50:   all.Latencies.Quantile(0.5),
			p99:   all.Latencies.Quantile(0.99),
			alone: alone.Latencies.Quantile(0.5),
		}, nil
	}
}

// measureBroadcast measures deliveries to the members of a group.
func measureBroadcast(ctx context.Context, r *row, o options) (result, error) {
	sockets, err := r.p.sockets(ctx)
	if err != nil {
		return result{}, err
	}
	var before time.Duration
	m := &load.Meter{}
	err = load.Broadcast(ctx, sockets, load.Options{Connections: o.sockets, Duration: o.span}, m, func() (err error) {
		before, err = r.p.cpu()
		return err
	})
	if err = errors.Join(err, failures(m)); err != nil {
		return result{}, err
	}
	after, err := r.p.cpu()
	n := float64(m.Completed())
	return result{rate: n / m.Elapsed().Seconds(), cpu: micros(after-before) / n}, err
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// progress shows the progress in one line, if stderr is a terminal.
func progress(format string, args ...any) {
	if info, err := os.Stderr.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		fmt.Fprintf(os.Stderr, "\r\033[K"+format, args...)
	}
}
