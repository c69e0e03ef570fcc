//go:build linux || darwin

package terminal

import (
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

// raw switches the terminal to single keys without echo. A read then returns
// after a tenth of a second even if no key was pressed. With all, keys like
// Ctrl-C are read too, and Enter is read and line ends are written as they are.
func raw(f *os.File, all bool) (restore func(), err error) {
	fd := int(f.Fd())
	if group, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP); err == nil && group != unix.Getpgrp() {
		return nil, ErrNoTerminal // another job has the terminal
	}
	// If this becomes a background job, reading must fail and not stop the
	// process.
	signal.Ignore(unix.SIGTTIN, unix.SIGTTOU)
	old, err := unix.IoctlGetTermios(fd, getTermios)
	if err != nil {
		return nil, ErrNoTerminal
	}
	keys := *old
	keys.Lflag &^= unix.ICANON | unix.ECHO
	if all {
		keys.Lflag &^= unix.ISIG | unix.IEXTEN
		keys.Iflag &^= unix.ICRNL | unix.IXON
		keys.Oflag &^= unix.OPOST
	}
	keys.Cc[unix.VMIN], keys.Cc[unix.VTIME] = 0, 1
	stop := onAbort(func() { _ = unix.IoctlSetTermios(fd, setTermios, old) })
	if err := unix.IoctlSetTermios(fd, setTermios, &keys); err != nil {
		stop()
		return nil, err
	}
	return func() {
		stop()
		_ = unix.IoctlSetTermios(fd, setTermios, old)
	}, nil
}

// onAbort calls restore before a signal ends the process with a dump of all
// goroutines, as Ctrl-\ does. The caller calls stop.
func onAbort(restore func()) (stop func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGQUIT, unix.SIGABRT)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if s, ok := <-signals; ok {
			restore()
			signal.Reset(s)
			_ = unix.Kill(unix.Getpid(), s.(unix.Signal)) // cannot fail for this process
		}
	}()
	return func() {
		signal.Stop(signals)
		close(signals)
		<-ended
	}
}
