// Package stopsignal receives the signals that stop the program. It starts
// before the other packages are initialized, which takes some milliseconds, so
// that a signal in this time does not kill the process. For that, it must import
// nothing but packages that os/signal imports.
//
// A signal during the start of the Go runtime, which takes about two
// milliseconds, still ends the process, as in any Go program. A binary that was
// built with cgo needs one more millisecond, to load the C library.
package stopsignal

import (
	"os"
	"os/signal"
	"syscall"
)

// Received has the signals. It has room for the two that main handles.
var Received = receive()

var brokenPipes = make(chan os.Signal, 1) // nothing receives from it

// OutliveReaders makes a write to a standard output or standard error whose reader has
// ended fail. Otherwise it ends the process, also one that finishes its requests
// after Ctrl-C has ended the reader of its log too.
func OutliveReaders() { signal.Notify(brokenPipes, syscall.SIGPIPE) }

func receive() <-chan os.Signal {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // nohup ignores it
		signal.Notify(signals, syscall.SIGHUP) // the terminal was closed
	}
	return signals
}
