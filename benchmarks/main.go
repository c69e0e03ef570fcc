// Benchmarks measures what the architecture costs: the application behind a
// channel layer against plain Go servers that do the same, each a process of
// its own, driven over loopback by the same bounded load.
//
//	go run ./benchmarks                 everything, about two minutes
//	go run ./benchmarks -quick          one short round, to see that it works
//	go run ./benchmarks -only http      one group of rows: http, echo, group or look
//
// The repetitions of all servers are interleaved, so that what else the
// machine does meets all of them; of each figure the median is printed, and
// ratios are taken within a repetition before the median. The server's CPU
// time per operation is the figure to trust.
//
//	go run ./benchmarks -idle 10000     memory of so many idle WebSockets
//
//	go run ./benchmarks -profile script-hello    one server under load, to
//	                                             NAME.prof and NAME.prof.allocs
//
// With -serve NAME it is one of the servers. CPU times are read from /proc, so
// that it runs on Linux only.
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
}

func main() {
	var o options
	flag.BoolVar(&o.quick, "quick", false, "one short round")
	flag.StringVar(&o.only, "only", "", "one group of rows: http, echo, group or look")
	flag.StringVar(&o.profile, "profile", "", "take a CPU profile of one server under load: a name as for -serve")
	flag.StringVar(&o.serve, "serve", "", "be one of the servers")
	flag.StringVar(&o.cpuprofile, "cpuprofile", "", "with -serve: where to write a CPU profile when interrupted")
	flag.StringVar(&o.asgibox, "asgibox", "", "the program to measure; by default it is built")
	flag.IntVar(&o.rounds, "rounds", 5, "repetitions")
	flag.DurationVar(&o.span, "span", 1500*time.Millisecond, "length of one measurement")
	flag.IntVar(&o.sockets, "sockets", 1000, "members of the group")
	flag.IntVar(&o.idle, "idle", 0, "hold so many WebSockets open instead, and tell their memory")
	flag.Parse()
	if o.quick {
		o.rounds, o.span, o.sockets = 1, 300*time.Millisecond, 100
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	run := measure
	switch {
	case o.serve != "":
		run = serve
	case o.profile != "":
		run = profile
	case o.idle > 0:
		run = idle
	}
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "benchmarks:", err)
		os.Exit(1)
	}
}
