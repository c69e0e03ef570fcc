package workerpool_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/workerpool"
)

// counter counts handlers that run at once.
type counter struct {
	mu            sync.Mutex
	running, most int
}

func (c *counter) work(ctx context.Context, j *workerpool.Job) error {
	c.mu.Lock()
	c.running++
	c.most = max(c.most, c.running)
	c.mu.Unlock()
	time.Sleep(10 * time.Second)
	c.mu.Lock()
	c.running--
	c.mu.Unlock()
	return reply(ctx, j)
}

// now returns the number of running handlers and the maximum since the last
// call.
func (c *counter) now() (running, most int) {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	most, c.most = c.most, c.running
	return c.running, most
}

// program is a loop application that handles requests and frames one after
// another.
type program struct {
	workerpool.Application
	work func(context.Context, *workerpool.Job) error
}

func (p *program) Work(ctx context.Context, w *workerpool.LoopWorker) error {
	for {
		if _, _, err := w.Receive(-1, "http.request", "websocket.receive", "websocket.disconnect"); err != nil {
			return err
		}
		if err := p.work(ctx, w.Job()); err != nil {
			return err
		}
	}
}

func TestTheNumberOfWorkersChangesWhileTheyWork(t *testing.T) {
	for kind, build := range map[workerpool.Kind]func(*counter) workerpool.Application{
		workerpool.KindRouted: func(c *counter) workerpool.Application { return on("http.request", c.work) },
		workerpool.KindLoop: func(c *counter) workerpool.Application {
			return &program{&app{}, c.work}
		},
	} {
		t.Run(string(kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &counter{}
				b := start(t, apps(build(c)), workerpool.Options{Workers: 2, Grace: time.Minute})
				if got := b.pool.Current().Kind; got != kind {
					t.Fatalf("kind %s", got)
				}
				for n := range 60 {
					b.volatile("http.request", fmt.Sprint("c", n))
				}
				wants := func(when string, running, most int) {
					t.Helper()
					if r, m := c.now(); r != running || m != most {
						t.Errorf("%s: %d run, at most %d ran; want %d and %d", when, r, m, running, most)
					}
				}
				set := func(n int) {
					t.Helper()
					if err := b.pool.SetWorkers(n); err != nil {
						t.Error(err)
					}
				}
				wants("at first", 2, 2)
				set(5)
				wants("grown", 5, 5)
				set(1)
				wants("shrunk, within the handlers", 5, 5)
				set(4)
				wants("grown again before any ended", 5, 5)
				set(1)
				time.Sleep(10 * time.Second)
				wants("shrunk", 1, 5)
				if n := len(b.pool.Workers()); n != 1 {
					t.Errorf("there are %d workers", n)
				}
				if _, err := b.pool.Reload(t.Context()); err != nil {
					t.Fatal(err)
				}
				time.Sleep(10 * time.Second)
				c.now()
				time.Sleep(10 * time.Second)
				wants("after a reload", 1, 1)
				set(30)
				time.Sleep(100 * time.Second)
				if r, _ := c.now(); r != 0 {
					t.Errorf("%d still run", r)
				}
				set(3)
				synctest.Wait()
				if n := len(b.pool.Workers()); n != 3 {
					t.Errorf("surplus idle workers do not end: there are %d", n)
				}
				for n := range 6 {
					b.volatile("http.request", fmt.Sprint("d", n))
				}
				wants("idle workers have ended", 3, 3)
			})
		})
	}
}

func TestTheNumberOfWorkersHasBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, apps(on("http.request", reply)), workerpool.Options{})
		for _, n := range []int{-1, 0, workerpool.MaxWorkers + 1} {
			if err := b.pool.SetWorkers(n); err == nil {
				t.Errorf("SetWorkers(%d) succeeds", n)
			}
		}
		b.pool.Shutdown(t.Context())
		if err := b.pool.SetWorkers(3); !errors.Is(err, workerpool.ErrClosed) {
			t.Errorf("err = %v", err)
		}
	})
}
