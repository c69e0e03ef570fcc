// Command asgibox serves an application written in Starlark over ASGI's
// channel-layer architecture: a protocol server turns sockets into messages, a
// channel layer carries them, and workers run the application. One process
// holds all three, and saving the application's file replaces the application
// while sockets stay open.
//
//	asgibox run app.star
//
// Package main holds the process: its signals and its exit status. The
// commands are in internal/cli.
package main

import (
	"context"
	"os"

	"asgibox/internal/cli"
	"asgibox/internal/command"
	"asgibox/internal/heapfloor"
	"asgibox/internal/stopsignal"
)

// minHeap is the heap size in bytes below which the garbage collector does not
// run. A request leaves about 6 KB of garbage.
const minHeap = 32 << 20

// softLimit is the memory in bytes from which on garbage is collected more often.
// It is well above the 256 MiB of --body-memory that clients can make the server
// use.
const softLimit = 448 << 20

func main() {
	ctx, cancel := context.WithCancel(context.Background())
	go func() { // ends with the process
		<-stopsignal.Received
		cancel()
		<-stopsignal.Received
		os.Exit(command.Interrupted) // a second Ctrl-C
	}()
	heapfloor.Keep(minHeap)
	heapfloor.Limit(softLimit) // both until the process ends
	os.Exit(cli.Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
