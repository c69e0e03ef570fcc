package process

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"asgibox/asgi"
	"asgibox/asgi/remote"
	"asgibox/internal/logkey"
	"asgibox/workerpool"
)

// A set is the children of one generation.
type set struct {
	server     *Server
	loader     *Loader
	opts       *Options
	log        *slog.Logger
	generation uint64
	command    *Command

	ended   chan struct{} // closed when no process is left
	killing chan struct{} // closed when the processes must end at once
	ending  chan struct{} // closed when the processes must end
	loaded  chan loaded   // outcomes of the first processes
	wg      sync.WaitGroup
	routes  map[string]int // numbers of the routes by identity; set before there are jobs

	replaced atomic.Pointer[time.Time] // when newer code replaced the set; nil before

	mu         sync.Mutex // guards the rest
	slots      []*slot
	tasks      *asgi3 // of an ASGI 3 application; nil for others
	live       bool
	over       bool                          // ending is closed
	dead       bool                          // killing is closed
	staged     []func(context.Context) error // calls that are held back
	stagedSize int                           // memory of all of these, in bytes
	free       []*serving                    // connections that can take a job, the hottest last
	waiters    []*waiter
	broken     error // why no process could start; nil if one runs or may start
}

// loaded is the outcome of the start of the first process of a slot.
type loaded struct {
	ready ready
	err   error
}

// newSet starts the processes of a generation. The caller must end it.
func (l *Loader) newSet(generation uint64, command *Command) (*set, error) {
	n := max(1, l.opts.Processes)
	g := &set{
		server: l.server, loader: l, opts: &l.opts, log: l.opts.Log, generation: generation, command: command,
		ended: make(chan struct{}), killing: make(chan struct{}), ending: make(chan struct{}), loaded: make(chan loaded, n),
	}
	if err := l.server.add(g); err != nil {
		return nil, err
	}
	g.wg.Add(1) // until end
	for range n {
		g.addSlot(true)
	}
	go func() { // Server.Close waits for ended
		g.wg.Wait()
		g.server.removeSet(g)
		l.release()
		command.release()
		close(g.ended)
	}()
	return g, nil
}

// await waits until all first processes are ready. It returns what the first of them
// said.
func (g *set) await(ctx context.Context) (ready, error) {
	var first ready
	for i := range cap(g.loaded) {
		select {
		case l := <-g.loaded:
			switch {
			case l.err != nil:
				return ready{}, l.err
			case i == 0:
				first = l.ready
			case l.ready.kind != first.kind:
				return ready{}, fmt.Errorf("one process of the application is of the kind %s, another of the kind %s", first.kind, l.ready.kind)
			}
		case <-ctx.Done():
			return ready{}, context.Cause(ctx)
		}
	}
	return first, nil
}

// end makes all processes end. It does not wait for that.
func (g *set) end() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.over {
		g.over = true
		close(g.ending)
		g.wg.Done()
	}
}

// kill makes all processes end at once. It does not wait for that.
func (g *set) kill() {
	g.end()
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.dead {
		g.dead = true
		close(g.killing)
	}
}

func (g *set) isEnding() bool {
	select {
	case <-g.ending:
		return true
	default:
		return false
	}
}

// Live makes the calls that were held back while the processes loaded.
func (g *set) Live(ctx context.Context, _ bool) error {
	g.mu.Lock()
	g.live = true
	staged := g.staged
	g.staged = nil
	g.mu.Unlock()
	for _, call := range staged {
		if err := call(ctx); err != nil {
			return g.opts.Pages.LoadFailed(ctx, err)
		}
	}
	return nil
}

// Current implements [workerpool.Application].
func (g *set) Current() {
	g.opts.Pages.Current(g.generation)
	g.server.replace(g)
}

// grace returns the time that a process of the set has to end. It counts from the time
// at which newer code replaced the set, but a process that is asked to end gets some
// time in any case.
func (g *set) grace() time.Duration {
	left := g.opts.Grace
	if at := g.replaced.Load(); at != nil {
		left -= time.Since(*at)
	}
	return max(left, min(g.opts.killAfter, g.opts.Grace))
}

// Drain implements [workerpool.Application].
func (g *set) Drain() { g.opts.Pages.Drain() }

// Stop implements [workerpool.Application].
func (g *set) Stop(context.Context) error { return nil }

// Close implements [workerpool.Application].
func (g *set) Close() { g.end() }

// stages reports whether a call must wait until the generation is live.
func (g *set) stages(f frame) bool {
	switch f.call {
	case "send", "send_group", "group_add", "group_discard", "group_leave":
	default:
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return !g.live
}

// stagedBytes is how much memory the calls may take that a generation holds back. One
// that is alone may take more.
const stagedBytes = 16 << 20

// stage holds a call back until the generation is live.
func (g *set) stage(f frame) error {
	f.args = slices.DeleteFunc(slices.Clone(f.args), func(a asgi.Field) bool { return a.Key == "wait" }) // the answer does not wait
	size := 0
	for _, a := range f.args {
		size += asgi.FootprintOf(a.Value)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if n := len(g.staged); n >= maxCalls || n > 0 && g.stagedSize+size > stagedBytes {
		return remote.Errorf(remote.ChannelFull, "%d calls with %d MiB already wait until the application is loaded; make this one later, for example in on_start", n, g.stagedSize>>20)
	}
	g.stagedSize += size
	g.staged = append(g.staged, func(ctx context.Context) error {
		_, _, _, err := g.server.calls.Do(ctx, remote.Call{Name: f.call, Args: f.args, Cause: g.cause(f)})
		return err
	})
	return nil
}

// cause returns the cause of a call that belongs to no job.
func (g *set) cause(f frame) *asgi.Cause {
	c := asgi.NewCause(asgi.NewTrace())
	c.Generation = g.generation
	if at := f.at; at != "" {
		c.Place = func() string { return at }
	}
	return c
}

// use notes files that the application uses.
func (g *set) use(files []string) { g.loader.use(files) }

// A slot is the place of one process.
type slot struct {
	set    *set
	number int

	mu       sync.Mutex // guards the rest
	child    *child     // that is in service; nil if none is
	worker   *workerpool.LoopWorker
	claimed  bool
	ended    chan struct{} // closed when no process shall run in the slot
	over     bool          // ended is closed
	restarts int
}

// addSlot adds a slot and starts a process in it. If initial is set, the set learns the
// outcome.
func (g *set) addSlot(initial bool) *slot {
	g.mu.Lock()
	s := &slot{set: g, number: g.numberLocked(), ended: make(chan struct{})}
	g.slots = append(g.slots, s)
	g.mu.Unlock()
	g.wg.Go(func() { s.run(initial) })
	return s
}

// numberLocked returns the lowest number that no slot has.
func (g *set) numberLocked() int {
	n := 1
	for slices.ContainsFunc(g.slots, func(s *slot) bool { return s.number == n }) {
		n++
	}
	return n
}

const (
	// firstPause and longestPause limit the pause before a process is started again.
	firstPause   = 100 * time.Millisecond
	longestPause = 30 * time.Second
	// wellAfter is how long a process must run for the next pause to be none.
	wellAfter = 10 * time.Second
)

// run starts one process after another until the slot or the set ends.
func (s *slot) run(initial bool) {
	g := s.set
	pause, failures := time.Duration(0), 0 // starts that failed in a row
	for !s.isOver() {
		c, err := g.start(s)
		var r ready
		if err == nil {
			r, err = c.awaitReady()
		}
		if initial {
			g.loaded <- loaded{r, err}
			if err != nil {
				g.discard(c)
				return
			}
			initial = false
		}
		began := time.Now()
		if err == nil {
			failures = 0
			s.set.put(s, c)
			err = s.watch(c)
		} else {
			if failures++; failures > 1 {
				g.notStarted(err)
			}
			if !s.isOver() {
				g.log.Error("a worker did not start", logkey.Worker, s.number, logkey.Generation, g.generation, logkey.Error, err)
			}
			g.discard(c)
		}
		s.set.put(s, nil)
		if s.isOver() {
			if c != nil {
				c.stopIfRunning()
			}
			return
		}
		s.mu.Lock()
		s.restarts++
		s.mu.Unlock()
		switch {
		case err == nil, time.Since(began) >= wellAfter:
			pause = 0
		default:
			pause = min(max(2*pause, firstPause), longestPause)
		}
		s.pause(pause)
	}
}

// watch waits until a process has ended or must be replaced. It returns nil if the next
// one can start at once.
func (s *slot) watch(c *child) error {
	g := s.set
	select {
	case <-c.condemned:
		return nil
	case <-s.ended:
		return nil
	case <-g.ending:
		return nil
	case <-c.exited:
	}
	if s.isOver() {
		return nil
	}
	g.withdraw(c)
	text := "a worker has ended; it is started again"
	if c.cmd.ProcessState.Success() {
		g.log.Info(text, logkey.Worker, s.number, logkey.Generation, g.generation)
		if _, since := c.loop.current(); !since.IsZero() {
			return nil
		}
		return c.exit
	}
	g.log.Error(text, logkey.Worker, s.number, logkey.Generation, g.generation, "pid", c.cmd.Process.Pid, "status", c.exit.Status)
	return c.exit
}

// pause waits before the next start.
func (s *slot) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.ended:
	case <-s.set.ending:
	}
}

// isOver reports whether no process shall run in the slot.
func (s *slot) isOver() bool {
	select {
	case <-s.ended:
		return true
	default:
		return s.set.isEnding()
	}
}

// put puts a process into service in a slot, or none.
func (g *set) put(s *slot, c *child) {
	s.mu.Lock()
	s.child = c
	if s.worker != nil {
		s.worker.Interrupt()
	}
	s.mu.Unlock()
}

// current returns the process in service, or nil.
func (s *slot) current() *child {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.child
}

func (s *slot) restarted() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.restarts
}

// interrupt makes the worker of the slot look at its process again.
func (s *slot) interrupt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.worker != nil {
		s.worker.Interrupt()
	}
}

// discard kills a process that did not become ready.
func (g *set) discard(c *child) {
	if c == nil {
		return
	}
	select {
	case <-c.failed: // it has said why, and ends after its last output
		if c.endsWithin(outputAfter) {
			return
		}
	default:
	}
	c.kill("it did not start")
	<-c.exited
}

// claim returns a slot that no worker serves, or a new one.
func (g *set) claim(w *workerpool.LoopWorker) *slot {
	g.mu.Lock()
	slots := slices.Clone(g.slots)
	g.mu.Unlock()
	for _, s := range slots {
		if s.claim(w) {
			return s
		}
	}
	for {
		if s := g.addSlot(false); s.claim(w) {
			return s
		}
	}
}

func (s *slot) claim(w *workerpool.LoopWorker) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.claimed || s.over {
		return false
	}
	s.claimed, s.worker = true, w
	return true
}

// unclaim gives a slot back.
func (g *set) unclaim(s *slot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.claimed, s.worker = false, nil
}

// endSlot ends the process of a slot, and the slot.
func (g *set) endSlot(s *slot) {
	s.mu.Lock()
	over := s.over
	s.over = true
	c := s.child
	s.mu.Unlock()
	if over {
		return
	}
	if c != nil {
		c.loop.retire()
	}
	close(s.ended)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.slots = slices.DeleteFunc(g.slots, func(other *slot) bool { return other == s })
}
