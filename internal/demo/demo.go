// Package demo serves the tour: pages that show the ideas of the architecture
// with an application that runs, its source in an editor, and the inspector.
//
// Two processes run the tour. [Run] is the parent: it holds the listening
// sockets and the folder with the applications and their stores. [Serve] is the
// server, its child. A page of the tour kills the server, and the parent starts
// it again; connections wait in the sockets in the meantime. The server reads
// its standard input, which ends with the parent, however the parent ends.
//
// In the server, each page has a stack of its own: a store, a protocol server,
// workers and an inspector. A stack starts when it is first used.
package demo

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"time"

	"asgibox/internal/devserver"
	"asgibox/internal/guard"
)

// Options configure the tour.
type Options struct {
	Listen    devserver.Listen // the addresses; only Binds and Port are used
	Control   string           // address of the control server, as for [devserver.Options]
	AllowEdit bool             // permit edits if other machines can reach the tour
	Verbose   bool             // log at info level
	Command   []string         // the program and the arguments that make it call Serve
	Version   string
}

// config holds the values that the parent passes to the server.
type config struct {
	Folder    string // of the applications and their stores; removed at the end
	Listeners int    // number of inherited sockets of the tour
	Control   bool   // whether a socket of the control server follows them
	URL       string // of the tour, without a slash at its end
	Inspector string // of the control server, likewise; empty if there is none
	Token     string // required by every request; empty if only this machine can reach the tour and its control server
	ReadOnly  bool   // whether edits and kills are refused
	Verbose   bool
}

// stopTimeout is how long the server may take to stop.
const stopTimeout = 10 * time.Second

// parent is the process that holds the sockets.
type parent struct {
	options Options
	stderr  io.Writer
	config  config
	files   []*os.File // the listening sockets
	banner  string     // printed when the first server is ready
}

// Run serves the tour until ctx ends. It returns after the server has ended.
func Run(ctx context.Context, o Options, stderr io.Writer) (err error) {
	if runtime.GOOS == "windows" {
		return errors.New("demo: Windows cannot pass a listening socket to another process; run the tour in WSL")
	}
	listeners, err := o.Listen.Open()
	if err != nil {
		return err
	}
	control, err := devserver.ListenControl(o.Control)
	if err != nil {
		return err
	}
	all := listeners
	if control != nil {
		all = append(slices.Clip(listeners), control)
	}
	p := &parent{options: o, stderr: stderr, config: config{Listeners: len(listeners), Control: control != nil, Verbose: o.Verbose}}
	for _, l := range all {
		defer l.Close()
		f, err := l.(*net.TCPListener).File()
		if err != nil {
			return fmt.Errorf("demo: cannot pass the socket of %s to the server: %w", l.Addr(), err)
		}
		defer f.Close()
		p.files = append(p.files, f)
	}
	p.describe(listeners, control)
	if p.config.Folder, err = os.MkdirTemp("", "asgibox-demo-"); err != nil {
		return fmt.Errorf("demo: cannot create a folder for the applications of the tour: %w", err)
	}
	defer os.RemoveAll(p.config.Folder)
	return p.run(ctx)
}

// describe sets the addresses and the access rules, and the banner.
func (p *parent) describe(listeners []net.Listener, control net.Listener) {
	c := &p.config
	if slices.ContainsFunc(listeners, isPublic) || control != nil && isPublic(control) {
		c.Token = guard.NewToken()
	}
	c.ReadOnly = slices.ContainsFunc(listeners, isPublic) && !p.options.AllowEdit
	query := ""
	if c.Token != "" {
		query = "?token=" + c.Token
	}
	c.URL = devserver.BrowserURL(listeners[0])
	p.banner = fmt.Sprintf("asgibox %s\n\n  tour       %s/%s\n", p.options.Version, c.URL, query)
	if control != nil {
		c.Inspector = devserver.BrowserURL(control)
		p.banner += fmt.Sprintf("  inspector  %s/%s\n", c.Inspector, query)
	}
	p.banner += "  data       kept until the tour ends\n  stop       Ctrl-C\n\n"
	if c.ReadOnly {
		p.banner += "Other machines can reach the tour, so its applications cannot be edited; --allow-edit permits it.\n\n"
	}
}

// isPublic reports whether other machines can reach a listener.
func isPublic(l net.Listener) bool { return !guard.Loopback(l.Addr()) }

// run runs servers, one after the other, until ctx ends.
func (p *parent) run(ctx context.Context) error {
	for first := true; ; first = false {
		ready, err := p.serve(ctx, first)
		switch {
		case ctx.Err() != nil:
			return nil
		case !ready && err != nil:
			return fmt.Errorf("demo: the server did not start: %w", err)
		case !ready:
			return errors.New("demo: the server did not start")
		}
		fmt.Fprintf(p.stderr, "the server has ended (%s); it starts again\n", how(err))
	}
}

// how describes how a process ended.
func how(err error) string {
	if err == nil {
		return "exit status 0"
	}
	return err.Error()
}

// serve runs one server until it ends. It reports whether the server became
// ready.
func (p *parent) serve(ctx context.Context, first bool) (ready bool, err error) {
	cmd := exec.Command(p.options.Command[0], p.options.Command[1:]...)
	cmd.ExtraFiles, cmd.Stderr = p.files, p.stderr
	ownGroup(cmd)
	input, err := cmd.StdinPipe()
	if err != nil {
		return false, err
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		return false, err
	}
	if err := cmd.Start(); err != nil {
		return false, err
	}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		input.Close()
		select {
		case <-ended:
		case <-time.After(stopTimeout):
			_ = cmd.Process.Kill()
		}
	})
	defer stop()
	_ = json.NewEncoder(input).Encode(p.config) // an error shows in the lines below
	lines := bufio.NewReader(output)
	if line, _ := lines.ReadString('\n'); line == readyLine {
		ready = true
		if first {
			fmt.Fprint(p.stderr, p.banner)
		}
	}
	_, _ = io.Copy(io.Discard, lines)
	err = cmd.Wait()
	close(ended)
	return ready, err
}

// readyLine is the line that the server prints when it serves.
const readyLine = "ready\n"
