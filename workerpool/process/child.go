package process

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"asgibox/asgi"
	"asgibox/asgi/remote"
	"asgibox/internal/logkey"
)

const (
	// stuckAfter is the time that a cancelled handler has to stop. Then its process
	// gets no more work and is replaced. It is the default of an option that tests
	// change.
	stuckAfter = 5 * time.Second
	// killAfter is the time between SIGTERM and SIGKILL. It is the default of an
	// option that tests change.
	killAfter = 2 * time.Second
	// outputAfter is the time for which the output of a process that has ended is
	// read, if another process holds it open.
	outputAfter = time.Second
	// lostAfter is the time in which a process must end that has lost its
	// connection.
	lostAfter = 2 * time.Second
	// maxPosts is how many writes may wait that nobody waits for. A process with more
	// reads nothing.
	maxPosts = 1000
)

// A child is one process.
type child struct {
	set     *set
	slot    *slot
	number  int // of the worker
	token   string
	cmd     *exec.Cmd
	stderr  output
	stdout  output
	release func()

	ctx       context.Context // done when the process has ended, with its failure as the cause
	cancel    context.CancelCauseFunc
	exited    chan struct{} // closed when the process has ended and its output is logged
	ready     chan ready    // has room for one
	failed    chan struct{} // closed when the process has said that it failed
	condemned chan struct{} // closed when the process must get no more work
	idle      chan struct{} // closed when a condemned process has nothing left but jobs that were cancelled
	loop      loopState
	numbers   func() map[int]int // see numbering; set when it is ready
	lingering atomic.Int32       // jobs that were cancelled and still run
	posts     chan func()        // writes that nobody waits for

	mu      sync.Mutex // guards the rest
	started time.Time
	process int // its process id; 0 before it is started
	pid     int // that the process gave; 0 before its first connection
	control *conn
	conns   map[*conn]struct{}
	isReady bool
	kind    string // after it is ready
	doomed  bool   // condemned is closed
	ending  bool   // it was told to end
	killed  string // why the server killed it
	runs    map[int64]*run
	serving int        // connections that run jobs
	early   []*serving // those that have come before the process is ready
	fault   error      // how the process has explained its end
	exit    *ExitError // after the end
}

// start starts a process in a slot.
func (g *set) start(s *slot) (*child, error) {
	c := &child{
		set: g, slot: s, number: s.number, token: rand.Text(),
		exited: make(chan struct{}), condemned: make(chan struct{}), idle: make(chan struct{}),
		ready: make(chan ready, 1), failed: make(chan struct{}),
		conns: map[*conn]struct{}{}, runs: map[int64]*run{}, posts: make(chan func(), maxPosts),
	}
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	c.loop.child = c
	c.stdout = output{log: g.log, worker: c.number}
	c.stderr = output{log: g.log, worker: c.number, last: []string{}}
	command := g.command
	c.cmd = exec.Command(command.Path, command.Args...)
	c.cmd.Dir = orElse(command.Dir, g.opts.Folder)
	c.cmd.Env = append(append(os.Environ(), command.Env...), c.environment()...)
	var out, errs [2]*os.File
	var err error
	if g.opts.Debug {
		c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	} else {
		separate(c.cmd)
		if out[0], out[1], err = os.Pipe(); err == nil {
			errs[0], errs[1], err = os.Pipe()
		}
		c.cmd.Stdout, c.cmd.Stderr = out[1], errs[1]
	}
	g.server.register(c)
	if err == nil {
		err = g.server.onStarter(c.cmd.Start)
	}
	closeFiles(out[1], errs[1])
	if err != nil {
		closeFiles(out[0], errs[0])
		g.server.unregister(c)
		return nil, fmt.Errorf("start worker %d: %w", c.number, err)
	}
	c.mu.Lock()
	c.started, c.process = time.Now(), c.cmd.Process.Pid
	c.mu.Unlock()
	if !g.opts.Debug {
		if c.release, err = afterStart(c.cmd); err != nil {
			g.log.Warn("a worker may outlive the server", logkey.Worker, c.number, logkey.Error, err)
		}
	}
	g.wg.Go(func() { c.wait(out[0], errs[0]) })
	g.wg.Go(c.makePosts)
	return c, nil
}

func closeFiles(files ...*os.File) {
	for _, f := range files {
		if f != nil {
			f.Close()
		}
	}
}

// environment returns the variables that tell the process where the layer is.
func (c *child) environment() []string {
	env := []string{
		"ASGIBOX_SOCKET=" + c.set.server.address,
		"ASGIBOX_TOKEN=" + c.token,
		"ASGIBOX_WORKER=" + strconv.Itoa(c.number),
		"ASGIBOX_URL=",
	}
	if c.set.opts.URL != nil {
		env[3] += c.set.opts.URL()
	}
	return env
}

// wait logs the output of the process and waits for its end.
func (c *child) wait(stdout, stderr *os.File) {
	reaped := make(chan struct{})
	var streams sync.WaitGroup
	follow := func(name string, o *output, r *os.File) {
		o.follow(r)
		select {
		case <-reaped:
		case <-time.After(outputAfter):
			c.set.log.Warn("a worker has closed its "+name+"; what it prints there is lost", logkey.Worker, c.number)
		}
	}
	if stdout != nil {
		streams.Go(func() { follow("stdout", &c.stdout, stdout) })
		streams.Go(func() { follow("stderr", &c.stderr, stderr) })
	}
	_ = c.cmd.Wait() // the state has the reason
	close(reaped)
	if killLeft(c.cmd) {
		c.set.log.Warn("a worker has ended but left processes behind; they were killed", logkey.Worker, c.number, "pid", c.cmd.Process.Pid)
	}
	if c.release != nil {
		c.release()
	}
	logged := make(chan struct{})
	go func() { // ends before wait
		streams.Wait()
		close(logged)
	}()
	select {
	case <-logged:
	case <-time.After(outputAfter):
		c.set.log.Warn("a worker has ended but another process still holds its output open; the rest of it is lost", logkey.Worker, c.number)
	}
	closeFiles(stdout, stderr)
	<-logged
	c.finish()
}

// finish records the end of the process and ends everything that waits for it.
func (c *child) finish() {
	c.mu.Lock()
	exit := &ExitError{Worker: c.number, Status: c.cmd.ProcessState.String(), Tail: c.stderr.tail(), Fault: c.killed}
	if !c.isReady {
		exit.When = " while it loaded"
	}
	c.exit = exit
	conns := make([]*conn, 0, len(c.conns))
	for one := range c.conns {
		conns = append(conns, one)
	}
	c.mu.Unlock()
	c.set.server.unregister(c)
	c.cancel(exit)
	close(c.exited)
	c.loop.wakeUp()
	for _, one := range conns {
		one.close()
	}
}

// failure returns why the process has ended, in its own words if it gave any. A
// connection may be lost a moment before the process has ended, so failure waits for
// that.
func (c *child) failure() error {
	select {
	case <-c.exited:
		return c.reason()
	case <-time.After(lostAfter):
		return fmt.Errorf("worker %d closed its connection", c.number)
	}
}

// reason returns why the process, which has ended, did so.
func (c *child) reason() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fault != nil {
		return c.fault
	}
	return c.exit
}

// gone reports whether the process has ended or was told to.
func (c *child) gone() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.exit != nil || c.ending || c.killed != ""
}

// connected registers a connection of the process. All of them must come from one
// process: a fork would take messages that the other one does not know of.
func (c *child) connected(one *conn, pid int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.exit != nil:
		return remote.Errorf(remote.Closed, "the process %d has ended", c.pid)
	case c.pid != 0 && pid != c.pid && len(c.conns) > 0:
		return remote.Errorf(remote.Forbidden, "process %d connected as worker %d, which is process %d; a worker is one process, so raise --workers instead of forking", pid, c.number, c.pid)
	case len(c.conns) >= maxConns:
		return remote.Errorf(remote.TooManyConnections, "worker %d has %d connections already; close some, or use one for several calls", c.number, maxConns)
	}
	c.pid = pid
	if c.control == nil {
		c.control, one.control = one, true
	}
	c.conns[one] = struct{}{}
	return nil
}

// lost removes a connection that has ended. A process whose jobs come over its
// connections is of no use without the first one.
func (c *child) lost(one *conn, err error) {
	c.mu.Lock()
	delete(c.conns, one)
	control := c.control == one
	if control {
		c.control = nil
	}
	needed := control && c.isReady && c.kind != kindLoop && c.exit == nil
	why := "it lost its first connection"
	if one.serving != nil {
		if c.serving--; c.serving == 0 && c.exit == nil {
			needed, why = true, "it lost its last connection that runs jobs"
		}
	}
	c.mu.Unlock()
	if one.serving != nil {
		c.set.remove(one.serving)
	}
	c.loop.dropConn(one)
	if !needed {
		return
	}
	select {
	case <-c.exited:
		return
	case <-time.After(lostAfter):
	}
	c.mu.Lock()
	back := !control && c.serving > 0 // a thread has connected again
	c.mu.Unlock()
	if !back {
		c.condemn(fmt.Sprintf("%s (%v)", why, err))
	}
}

// handle handles a frame of one of the connections of the process.
func (c *child) handle(one *conn, f frame) error {
	if f.job != 0 || f.done != 0 {
		return c.handleJob(one, f)
	}
	switch {
	case f.call == "uses":
		c.uses(f)
		return nil
	case f.bad != nil:
		if f.call == "ready" || f.call == "failed" {
			c.fail(fmt.Errorf("the frame %s of worker %d: %w", f.call, c.number, f.bad))
		}
		return one.answer(f.id, nil, f.bad)
	}
	switch f.call {
	case "ready":
		return one.answer(f.id, nil, c.becomeReady(f.args))
	case "failed":
		v, _ := f.args.Get("explanation")
		c.set.use(texts(f.take("files")))
		c.fail(newError(v))
		return one.answer(f.id, nil, nil)
	case "serve":
		return c.serve(one)
	case "serve_asgi3":
		return c.serveASGI3(one)
	}
	switch {
	case isReceive(f) && c.isLoop():
		return c.loop.receive(one, f)
	case c.set.stages(f):
		return one.answer(f.id, nil, c.set.stage(f))
	case c.isLoop():
		return c.loop.call(one, f)
	}
	return one.perform(f, remote.Call{Name: f.call, Args: f.args, Cause: c.set.cause(f)})
}

// uses notes files that the process has loaded. The frame has no answer.
func (c *child) uses(f frame) {
	if f.bad != nil {
		c.set.log.Error("a worker does not say which files it uses", logkey.Worker, c.number, logkey.Error, f.bad)
		return
	}
	c.set.use(texts(f.take("files")))
}

// isLoop reports whether the application calls receive itself. A process that receives
// before it has said what it is becomes a loop.
func (c *child) isLoop() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.isReady || c.kind == kindLoop
}

// becomeReady records that the process has loaded the application.
func (c *child) becomeReady(args asgi.Fields) error {
	r, err := parseReady(args)
	if err != nil {
		c.fail(err)
		return remote.Errorf(remote.BadRequest, "%v", err)
	}
	c.mu.Lock()
	if c.isReady {
		c.mu.Unlock()
		return remote.Errorf(remote.BadRequest, "the process is ready already")
	}
	c.isReady, c.kind = true, r.kind
	c.numbers = sync.OnceValue(func() map[int]int { return numbering(c.set.routes, r.identities()) })
	early := c.early
	c.early = nil
	c.ready <- r
	c.mu.Unlock()
	for _, s := range early {
		c.set.offer(s)
	}
	return nil
}

// fail records why the application does not load, or why the process is about to end.
func (c *child) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fault == nil {
		c.fault = err
		close(c.failed)
	}
}

// awaitReady waits until the process has loaded the application.
func (c *child) awaitReady() (ready, error) {
	timeout := c.set.opts.LoadTimeout
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case r := <-c.ready:
		return r, nil
	case <-c.failed:
		return ready{}, c.reason()
	case <-c.exited:
		return ready{}, c.reason()
	case <-c.slot.ended:
		return ready{}, asgi.ErrClosed
	case <-c.set.ending:
		return ready{}, asgi.ErrClosed
	case <-timer.C:
		c.mu.Lock()
		connected := c.pid != 0
		c.mu.Unlock()
		if !connected {
			return ready{}, fmt.Errorf("worker %d did not connect to the layer (see ASGIBOX_SOCKET and ASGIBOX_URL in its environment) within %v (--load-timeout)", c.number, timeout)
		}
		return ready{}, fmt.Errorf("worker %d was not ready within %v (--load-timeout)", c.number, timeout)
	}
}

// tell sends a frame on the first connection. It does not wait, because the process may
// not read.
func (c *child) tell(head asgi.Fields) {
	c.mu.Lock()
	control := c.control
	c.mu.Unlock()
	if control != nil {
		c.post(func() { _ = control.send(head) }) // the goroutine that reads reports the error
	}
}

// post makes a write on another goroutine, after those that were posted before.
func (c *child) post(write func()) {
	select {
	case c.posts <- write:
	default:
		c.condemn("it does not read what the server sends")
	}
}

// makePosts makes the writes that were posted, until the process has ended.
func (c *child) makePosts() {
	for {
		select {
		case write := <-c.posts:
			write()
		case <-c.exited:
			return
		}
	}
}

// kill kills the process and says why.
func (c *child) kill(why string) {
	c.mu.Lock()
	if c.exit == nil {
		if c.killed == "" {
			c.killed = why
		}
		kill(c.cmd)
	}
	c.mu.Unlock()
}

// stop asks the process to end, more and more firmly, and waits until it has ended.
func (c *child) stop() {
	c.mu.Lock()
	c.ending = true
	c.mu.Unlock()
	c.loop.retire()
	c.tell(asgi.Fields{{Key: "end", Value: true}})
	if c.endsWithin(c.set.grace()) {
		return
	}
	c.set.log.Warn(fmt.Sprintf("a worker did not end within %v (--grace); it gets SIGTERM", c.set.opts.Grace), logkey.Worker, c.number, logkey.Generation, c.set.generation)
	c.mu.Lock()
	if c.exit == nil {
		terminate(c.cmd)
	}
	c.mu.Unlock()
	if c.endsWithin(c.set.opts.killAfter) {
		return
	}
	c.set.log.Warn("a worker ignored SIGTERM; it was killed", logkey.Worker, c.number, logkey.Generation, c.set.generation)
	c.kill("it ignored SIGTERM")
	<-c.exited
}

// stopIfRunning stops the process if it has not ended.
func (c *child) stopIfRunning() {
	select {
	case <-c.exited:
	default:
		c.stop()
	}
}

// over reports whether the process has ended or gets nothing new.
func (c *child) over() bool {
	select {
	case <-c.exited:
		return true
	case <-c.condemned:
		return true
	default:
		return false
	}
}

// receives makes a process ready that has received for the first time.
func (c *child) receives() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.isReady {
		c.isReady, c.kind = true, kindLoop
		c.ready <- ready{kind: kindLoop}
	}
}

func (c *child) endsWithin(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-c.exited:
		return true
	case <-c.set.killing:
		c.kill("the server stops")
		<-c.exited
		return true
	case <-timer.C:
		return false
	}
}

// condemn takes the process out of service: it gets nothing new, what it has gets the
// grace period, then it is killed. Another process takes its slot at once.
func (c *child) condemn(why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.doomed || c.ending || c.exit != nil {
		return
	}
	c.doomed = true
	close(c.condemned)
	c.set.log.Error("a worker is replaced: "+why, logkey.Worker, c.number, logkey.Generation, c.set.generation, "pid", c.cmd.Process.Pid)
	c.noteIdleLocked()
	c.set.wg.Go(func() {
		c.set.withdraw(c)
		c.loop.retire()
		c.loop.wakeUp()
		timer := time.NewTimer(c.set.opts.Grace)
		defer timer.Stop()
		select {
		case <-c.idle:
		case <-timer.C:
		case <-c.set.killing:
		}
		c.kill(why)
		<-c.exited
	})
}

// noteIdleLocked closes idle once a condemned process has no job left that was not
// cancelled.
func (c *child) noteIdleLocked() {
	if !c.doomed {
		return
	}
	for _, r := range c.runs {
		if !r.cancelled {
			return
		}
	}
	select {
	case <-c.idle:
	default:
		close(c.idle)
	}
}

// A Process describes a process for the inspector.
type Process struct {
	Worker     int // number of its slot, from 1
	PID        int
	Generation uint64
	Started    time.Time
	Ready      bool
	Kind       string // loop, routed, wsgi or asgi3; "" until it is ready
	Memory     int64  // resident, in bytes; 0 if unknown
	CPU        time.Duration
	Jobs       int    // that it runs
	Restarts   int    // of its slot
	Leaving    bool   // it was told to end, or gets nothing new
	Channel    string // of the message that it handles; "" if there is none
	Handler    string
	Since      time.Time // when it got that message
}

func (c *child) describe() Process {
	c.mu.Lock()
	p := Process{
		Worker: c.number, PID: c.process, Generation: c.set.generation, Started: c.started,
		Ready: c.isReady, Kind: c.kind, Jobs: len(c.runs), Leaving: c.ending || c.doomed,
	}
	for _, r := range c.runs {
		if p.Since.IsZero() || r.began.Before(p.Since) {
			p.Channel, p.Handler, p.Since = r.channel, r.handler, r.began
		}
	}
	c.mu.Unlock()
	if channel, since := c.loop.current(); channel != "" {
		p.Channel, p.Since, p.Jobs = channel, since, 1
	}
	if c.set.isASGI3() {
		p.Jobs = c.set.asgi3().tasks(loopChild{c})
	}
	p.Restarts = c.slot.restarted()
	p.Memory, p.CPU = usage(p.PID)
	return p
}
