package process

import (
	"context"
	"encoding/binary"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/asgi/remote"
	"asgibox/internal/budget"
	"asgibox/store"
	"asgibox/workerpool/process/wire"
)

// A memServer is a server whose connections are in memory. It has no children.
type memServer struct {
	*Server
	t     *testing.T
	layer *store.Store
	log   *logs
}

// newMemServer returns a server whose frames of guests share a budget. It must run in a
// bubble of a synctest.
func newMemServer(t *testing.T, memory int64) *memServer {
	s := &memServer{t: t, layer: store.Memory(store.Options{}), log: &logs{t: t}}
	log := slog.New(slog.NewTextHandler(s.log, nil))
	s.Server = &Server{
		layer: s.layer, log: log, calls: remote.NewHandler(s.layer, remote.Options{Log: log}), limit: 1 << 20,
		children: map[string]*child{}, conns: map[*conn]struct{}{}, guests: map[*conn]struct{}{},
		guestFrames: budget.New(memory, context.Background()), guestAnswers: budget.New(memory, context.Background()),
	}
	t.Cleanup(func() {
		s.mu.Lock()
		conns := s.conns
		s.conns = nil
		s.mu.Unlock()
		for c := range conns {
			c.close()
		}
		s.wg.Wait()
		_ = s.layer.Close(context.Background())
		for _, b := range []*budget.Budget{s.guestFrames, s.guestAnswers} {
			if bytes, arrivals, waiting := b.Usage(); bytes != 0 || arrivals != 0 || waiting != 0 {
				t.Errorf("ended connections still use a budget: %d bytes, %d arrivals, %d wait", bytes, arrivals, waiting)
			}
		}
	})
	return s
}

// dial returns a client that has not said hello.
func (s *memServer) dial() *client {
	here, there := net.Pipe()
	s.admit(there)
	return &client{net: here, r: wire.NewReader(here, 1<<20), w: wire.NewWriter(here)}
}

// join returns a client that has said hello.
func (s *memServer) join() *client {
	s.t.Helper()
	c := s.dial()
	if _, err := c.call("hello", "version", 1, "pid", 1, "agent", "guest"); err != nil {
		s.t.Fatal(err)
	}
	return c
}

const (
	longFrame = 500_000
	longPart  = 400_000
)

// stall sends a part of a long frame, and counts what the server reads of it.
func (c *client) stall(read *atomic.Int64) {
	part := append(binary.BigEndian.AppendUint32(nil, longFrame), strings.Repeat("x", longPart)...)
	for len(part) > 0 {
		n, err := c.net.Write(part[:min(len(part), 1000)])
		read.Add(int64(n))
		if err != nil {
			return
		}
		part = part[n:]
	}
}

// TestUnfinishedFramesShareABudget checks that frames past the budget are not read, and
// that the connections that are silent within one are ended while others wait.
func TestUnfinishedFramesShareABudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const memory, n = 2 << 20, 40
		s := newMemServer(t, memory)
		var read, ended atomic.Int64
		for range n {
			c := s.join()
			go c.stall(&read)
			go func() {
				_, _ = c.r.Read()
				ended.Add(1)
			}()
		}
		synctest.Wait()
		if got := read.Load(); got > memory+longFrame+n*budget.ConnBytes {
			t.Errorf("the server has read %d bytes of unfinished frames", got)
		}
		time.Sleep(budget.SilentTimeout - time.Second) // fake time of the bubble
		if got := ended.Load(); got != 0 {
			t.Errorf("%d connections were ended too soon", got)
		}
		time.Sleep(time.Minute)
		if left := n - ended.Load(); left == 0 || left > memory/longPart+1 {
			t.Errorf("%d silent connections are left", left)
		}
		if !strings.Contains(s.log.text(), "agent=guest") || !strings.Contains(s.log.text(), budget.ErrSilent.Error()) {
			t.Errorf("the log has no reason:\n%s", s.log.text())
		}
	})
}

// TestHonestLongFramesAllArrive sends more long frames at once than the budget has room for.
func TestHonestLongFramesAllArrive(t *testing.T) {
	for _, memory := range []int64{1, 2 << 20} {
		synctest.Test(t, func(t *testing.T) {
			s := newMemServer(t, memory)
			errs := make(chan error)
			for range 50 {
				c := s.join()
				go func() {
					_, err := c.call("send", "channel", "jobs", "message", map[string]any{"text": strings.Repeat("x", longFrame)})
					errs <- err
				}()
			}
			for range 50 {
				if err := <-errs; err != nil {
					t.Error(err)
				}
			}
			if n := s.layer.Debug().Totals().MessagesPending; n != 50 {
				t.Errorf("%d messages have arrived", n)
			}
		})
	}
}

// TestASilentConnectionIsToleratedWhileNoOtherWaits finishes frames after a minute.
func TestASilentConnectionIsToleratedWhileNoOtherWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, 2<<20)
		var read atomic.Int64
		c := s.join()
		c.stall(&read)
		time.Sleep(time.Minute) // fake time of the bubble
		if _, err := c.net.Write([]byte(strings.Repeat("x", longFrame-longPart))); err != nil {
			t.Error(err)
		}
		_, _ = c.r.Read()
		if !strings.Contains(s.log.text(), "bad frame") {
			t.Errorf("the frame was not read to its end:\n%s", s.log.text())
		}
	})
}

// TestTooManyConnectionsAreRefused checks that there is a limit for programs that asgibox
// did not start, and for connections that say nothing.
func TestTooManyConnectionsAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, 1)
		first := s.join()
		for range maxConns - 1 {
			s.join()
		}
		if _, err := s.dial().call("hello", "version", 1, "pid", 1); err == nil || !strings.Contains(err.Error(), remote.TooManyConnections) {
			t.Errorf("one more connection: %v", err)
		}
		first.net.Close()
		synctest.Wait()
		s.join()

		silent := s.dial()
		for range maxConns {
			s.dial()
		}
		if _, err := silent.r.Read(); err == nil {
			t.Error("the oldest connection without hello was not ended")
		}
		synctest.Wait()
		if !strings.Contains(s.log.text(), "has sent no hello") {
			t.Errorf("the log has no reason:\n%s", s.log.text())
		}
	})
}

// TestStrangersDoNotHoldUpAChild lets a child send a long frame while another program has
// used the memory for those of strangers.
func TestStrangersDoNotHoldUpAChild(t *testing.T) {
	r := newRig(t, program("routed", "o"), threads(1), oneProcess, func(c *config) {
		c.ready = func(r *rig) { r.server.guestFrames = budget.New(1, context.Background()) }
	})
	r.mustLoad()
	stranger := join(t, r.server, "")
	var read atomic.Int64
	stranger.stall(&read)
	stalled := func() bool { _, arrivals, _ := r.server.guestFrames.Usage(); return arrivals == 1 }
	r.until("the frame counts", stalled)
	r.get("/long", 200, "xxx")
	if !stalled() {
		t.Error("the stranger was ended")
	}
}
