// Benchmarks measures the cost of the architecture. It compares applications
// behind a channel layer with plain Go servers that do the same. Each server is a
// separate process and gets the same load over loopback.
//
//	go run ./benchmarks                 everything, in about six minutes
//	go run ./benchmarks -quick          one short round, as a test
//	go run ./benchmarks -only http      one table: http, tls, echo, group, idle, upload, download, durable or inspector
//	go run ./benchmarks -only redis     the tables redis, redis-http and redis-group; they need redis-server
//	go run ./benchmarks -only processes applications in Python, Go and JavaScript, and saves of a Python file
//
// The repetitions of all servers of a table are interleaved, so that other load on
// the machine affects all of them equally. The tables show medians. Ratios are
// calculated within a repetition, before the median. The most reliable number is
// the server's CPU time per operation.
//
// The tables http and echo contain uvicorn, Daphne and Node, if they are installed
// (on Debian, the packages uvicorn, daphne and nodejs).
//
//	go run ./benchmarks -profile script-hello    profile one server under load,
//	                                             to NAME.prof and NAME.prof.allocs
//
//	go run ./benchmarks -soak 10m                put a steady load on the program and
//	                                             watch its memory and goroutines
//
// With -serve NAME it runs one of the servers. It runs on Linux only, because it
// reads CPU times from /proc.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"time"
)

const usage = `Compares applications behind a channel layer with plain servers, under the same
load over loopback. Run it in the module's root, on Linux.

  go run ./benchmarks              all tables, in about six minutes
  go run ./benchmarks -quick       all tables, in seconds, to see whether they work
  go run ./benchmarks -only http   one table

The first row of each table is the baseline. "rate ÷ baseline" and the like are
ratios to it in the same round; the tables show medians over the rounds. CPU is
the time that the server takes, without the load generator. It is the most
reliable value on a machine with other work.

tables:  %s
servers: %s

`

type options struct {
	quick      bool
	only       string
	profile    string
	serve      string
	cpuprofile string
	asgibox    string
	rounds     int
	span       time.Duration
	sockets    int
	idle       int
	bytes      int64
	soak       time.Duration
}

func main() {
	var o options
	flag.BoolVar(&o.quick, "quick", false, "one short round with little load")
	flag.StringVar(&o.only, "only", "", "name of one table to measure")
	flag.StringVar(&o.profile, "profile", "", "name of one server to profile under load, to NAME.prof")
	flag.StringVar(&o.serve, "serve", "", "name of one server to run")
	flag.StringVar(&o.cpuprofile, "cpuprofile", "", "with -serve: file for a CPU profile, written when interrupted")
	flag.StringVar(&o.asgibox, "asgibox", "", "path of the program to measure; by default it is built")
	flag.IntVar(&o.rounds, "rounds", 5, "number of repetitions")
	flag.DurationVar(&o.span, "span", 1500*time.Millisecond, "duration of one measurement")
	flag.IntVar(&o.sockets, "sockets", 1000, "number of members of the group")
	flag.IntVar(&o.idle, "idle", 5000, "number of idle WebSockets")
	flag.Int64Var(&o.bytes, "bytes", 1<<30, "size of an upload and of a download, a multiple of 65536")
	flag.DurationVar(&o.soak, "soak", 0, "instead of measuring, put a steady load on the program for so long and watch its memory")
	flag.Usage = func() {
		fmt.Fprintf(flag.CommandLine.Output(), usage, groupNames(), serverNames())
		flag.PrintDefaults()
	}
	flag.Parse()
	if o.quick {
		o.rounds, o.span, o.sockets, o.idle, o.bytes = 1, 300*time.Millisecond, 100, 500, 64<<20
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	run := measure
	switch {
	case o.serve != "":
		run = serve
	case o.profile != "":
		run = profile
	case o.soak > 0:
		run = soak
	}
	err := o.check()
	if err == nil {
		err = run(ctx, o)
	}
	if err != nil {
		progress("")
		fmt.Fprintln(os.Stderr, "benchmarks:", err)
		os.Exit(1)
	}
}

// check returns an error if the options or the surroundings are not usable.
func (o options) check() error {
	switch _, err := os.Stat("benchmarks/apps"); {
	case flag.NArg() > 0:
		return fmt.Errorf("unexpected argument %q; -h lists the flags", flag.Arg(0))
	case runtime.GOOS != "linux":
		return errors.New("it runs on Linux only, because it reads CPU times from /proc")
	case err != nil:
		return fmt.Errorf("%w; run it in the module's root", err)
	case o.rounds < 1 || o.span <= 0 || o.sockets < 1 || o.idle < 2:
		return errors.New("-rounds, -span and -sockets must be positive, and -idle at least 2")
	case o.bytes < piece || o.bytes%piece != 0:
		return fmt.Errorf("-bytes must be a multiple of %d", piece)
	}
	return nil
}
