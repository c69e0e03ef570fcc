// Benchmarks measures the cost of the architecture. It compares applications
// behind a channel layer with plain Go servers that do the same. Each server is a
// separate process and gets the same load over loopback.
//
//	go run ./benchmarks                 everything, in about six minutes
//	go run ./benchmarks -quick          one short round, as a test
//	go run ./benchmarks -only http      one table: http, tls, echo, group, idle, upload, download, durable or inspector
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
// With -serve NAME it runs one of the servers. It runs on Linux only, because it
// reads CPU times from /proc.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"
)

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
}

func main() {
	var o options
	flag.BoolVar(&o.quick, "quick", false, "one short round")
	flag.StringVar(&o.only, "only", "", "one table: "+groupNames())
	flag.StringVar(&o.profile, "profile", "", "name of one server to profile under load, as for -serve")
	flag.StringVar(&o.serve, "serve", "", "name of one server to run")
	flag.StringVar(&o.cpuprofile, "cpuprofile", "", "with -serve: file for a CPU profile, written when interrupted")
	flag.StringVar(&o.asgibox, "asgibox", "", "path of the program to measure; by default it is built")
	flag.IntVar(&o.rounds, "rounds", 5, "number of repetitions")
	flag.DurationVar(&o.span, "span", 1500*time.Millisecond, "duration of one measurement")
	flag.IntVar(&o.sockets, "sockets", 1000, "number of members of the group")
	flag.IntVar(&o.idle, "idle", 5000, "number of idle WebSockets")
	flag.Int64Var(&o.bytes, "bytes", 1<<30, "size of an upload and of a download, a multiple of 65536")
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
	}
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "benchmarks:", err)
		os.Exit(1)
	}
}
