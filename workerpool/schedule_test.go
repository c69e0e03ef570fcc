package workerpool_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/asgi"
	"asgibox/store"
	"asgibox/workerpool"
)

// This file checks the rules about waiting messages with random schedules.

const (
	scheduleCapacity = 6
	scheduleLane     = 4
)

// A sentMessage is a message of a schedule.
type sentMessage struct {
	n          int
	channel    string
	route      string
	connection string
	started    bool
	ended      bool
	generation uint64
}

// A schedule is one random run.
type schedule struct {
	t       *testing.T
	bench   *bench
	random  *rand.Rand
	workers int
	limits  map[string]int // by route
	paused  map[string]bool
	closed  map[string]bool // connections whose disconnect was sent
	order   map[string]int  // of a connection's next message
	steps   []string

	mu  sync.Mutex // guards the rest
	all []*sentMessage
}

// scheduleApp is an application of a schedule. Its routes are the paths.
type scheduleApp struct {
	*app
	s *schedule
}

func (a *scheduleApp) Route(d asgi.Delivery) workerpool.Consumer {
	route := d.Message.Text("path")
	c := &consumer{name: route, run: a.s.handle}
	if a.s.limits[route] > 0 {
		c.limit = route
	}
	return c
}

var scheduleRoutes = map[string]struct {
	channel string
	limit   int
}{
	"/free":  {"http.request", 0},
	"/one":   {"http.request", 1},
	"/two":   {"http.request", 2},
	"frames": {"websocket.receive", 0},
	"few":    {"websocket.receive", 1},
	"jobs":   {"jobs", 1},
	"work":   {"work", 0},
}

func newSchedule(t *testing.T, seed uint64) *schedule {
	s := &schedule{
		t: t, random: rand.New(rand.NewPCG(seed, seed)), limits: make(map[string]int),
		paused: make(map[string]bool), closed: make(map[string]bool), order: make(map[string]int),
	}
	s.workers = 1 + s.random.IntN(4)
	build := func() (workerpool.Application, error) {
		a := &scheduleApp{&app{consumers: map[string]*consumer{}}, s}
		for _, channel := range []string{"http.request", "websocket.receive", "websocket.disconnect", "jobs", "work"} {
			a.consumers[channel] = &consumer{}
		}
		for route, r := range scheduleRoutes {
			if r.limit > 0 {
				a.limits = append(a.limits, workerpool.Limit{Key: route, Channel: r.channel, Max: r.limit})
			}
		}
		return a, nil
	}
	for route, r := range scheduleRoutes {
		s.limits[route] = r.limit
	}
	s.bench = startStore(t, store.Options{Capacity: scheduleCapacity, Expiry: time.Hour}, direct,
		&loader{next: []func() (workerpool.Application, error){build}},
		workerpool.Options{Workers: s.workers, LaneMessages: scheduleLane, HandlerTimeout: -1, Grace: time.Hour, NoWatchdog: true})
	return s
}

func (s *schedule) handle(_ context.Context, j *workerpool.Job) error {
	m := s.message(int(j.Delivery.Message.Int("n")))
	s.mu.Lock()
	if m.started {
		s.t.Errorf("message %d started twice", m.n)
	}
	m.started, m.generation = true, j.Generation()
	for _, o := range s.all {
		switch {
		case o.n >= m.n || o.ended:
		case o.connection == m.connection && o.connection != "":
			s.t.Errorf("message %d of %s started before the end of message %d\n%v", m.n, m.connection, o.n, s.steps)
		}
	}
	s.mu.Unlock()
	time.Sleep(time.Duration(1+m.n*37%50) * time.Millisecond)
	s.mu.Lock()
	m.ended = true
	s.mu.Unlock()
	return nil
}

func (s *schedule) message(n int) *sentMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.all {
		if m.n == n {
			return m
		}
	}
	s.t.Fatalf("message %d was handled but not accepted", n)
	return nil
}

// step makes one random call.
func (s *schedule) step(n int) {
	channels := []string{"http.request", "websocket.receive", "jobs"}
	switch s.random.IntN(20) {
	case 0:
		s.note("reload")
		if _, err := s.bench.pool.Reload(context.Background()); err != nil {
			s.t.Fatal(err)
		}
	case 1:
		channel := channels[s.random.IntN(3)]
		s.note("pause %s", channel)
		s.paused[channel] = true
		if err := s.bench.layer.Debug().Pause(channel); err != nil {
			s.t.Fatal(err)
		}
	case 2, 3:
		for channel := range s.paused {
			s.resume(channel)
		}
	case 4, 5, 6, 7:
		d := time.Duration(s.random.IntN(60)) * time.Millisecond
		s.note("sleep %v", d)
		time.Sleep(d)
	default:
		s.send(n)
	}
	synctest.Wait()
}

func (s *schedule) resume(channel string) {
	s.note("resume %s", channel)
	delete(s.paused, channel)
	if _, err := s.bench.layer.Debug().Resume(channel); err != nil {
		s.t.Fatal(err)
	}
}

func (s *schedule) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.steps = append(s.steps, fmt.Sprintf(format, args...)+"\n")
}

// send sends a random message, and checks that it is refused only if it must
// be.
func (s *schedule) send(n int) {
	routes := []string{"/free", "/one", "/two", "frames", "few", "jobs", "work"}
	m := &sentMessage{n: n, route: routes[s.random.IntN(len(routes))]}
	m.channel = scheduleRoutes[m.route].channel
	opts := asVolatile
	switch m.channel {
	case "websocket.receive":
		m.connection = fmt.Sprint(m.route, s.random.IntN(3))
		if s.closed[m.connection] {
			return
		}
		if s.random.IntN(12) == 0 {
			m.channel = "websocket.disconnect"
			s.closed[m.connection] = true
		}
	case "jobs", "work":
		opts = nil
	}
	s.note("send %d to %s of %s", n, m.route, m.connection)
	startable := s.startable(m)
	waiting := s.bench.pending(m.channel)
	s.mu.Lock()
	s.all = append(s.all, m)
	s.mu.Unlock()
	err := s.bench.trySend(m.channel, m.connection, opts,
		asgi.Field{Key: "path", Value: m.route}, asgi.Field{Key: "n", Value: n}, order(s.order[m.connection]))
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.order[m.connection]++
	switch {
	case err == nil:
	case !errors.Is(err, asgi.ErrChannelFull):
		s.t.Fatal(err)
	default:
		s.all = s.all[:len(s.all)-1]
		inLane := 0
		for _, o := range s.all {
			if o.connection == m.connection && !o.started && m.connection != "" {
				inLane++
			}
		}
		if startable || waiting < scheduleCapacity && inLane < scheduleLane || m.channel == "websocket.disconnect" && waiting < scheduleCapacity {
			s.t.Errorf("message %d was refused: %d wait, %d of its connection\n%v", n, waiting, inLane, s.steps)
		}
		if m.channel == "websocket.disconnect" {
			s.closed[m.connection] = false
		}
	}
}

// startable reports whether a new message can start: a worker is free, its
// limit is not full, nothing of its connection is unfinished, and nothing of its
// route waits.
func (s *schedule) startable(m *sentMessage) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	current := s.bench.pool.Current().Number
	busy, ofRoute := 0, 0
	for _, o := range s.all {
		running := o.started && !o.ended
		switch {
		case !o.ended && m.connection != "" && o.connection == m.connection,
			!o.started && o.route == m.route && o.channel == m.channel:
			return false
		case running && o.route == m.route:
			ofRoute++
		}
		if running && o.generation == current {
			busy++
		}
	}
	limit := s.limits[m.route]
	return !s.paused[m.channel] && busy < s.workers && (limit == 0 || ofRoute < limit)
}

// check checks the rules between two steps.
func (s *schedule) check() {
	s.mu.Lock()
	defer s.mu.Unlock()
	current := s.bench.pool.Current().Number
	running, busy := make(map[string]int), 0
	waits := make(map[string]*sentMessage) // the first startable message of each route
	active := make(map[string]bool)        // connections with an earlier unfinished message
	queued := make(map[string]bool)        // routes with an earlier message that waits in a channel
	for _, m := range s.all {
		switch {
		case m.started && !m.ended:
			running[m.route]++
			if m.generation == current {
				busy++
			}
		case !m.started && !active[m.connection] && !s.paused[m.channel] && waits[m.route] == nil:
			waits[m.route] = m
		case m.started && queued[m.route] && m.connection == "":
			s.t.Errorf("message %d passed an earlier one of its route\n%v", m.n, s.steps)
		}
		if m.connection != "" && !m.ended {
			active[m.connection] = true
		}
		if m.connection == "" && !m.started {
			queued[m.route] = true
		}
	}
	for route, limit := range s.limits {
		if limit > 0 && running[route] > limit {
			s.t.Errorf("%d handlers of %s run, the limit is %d\n%v", running[route], route, limit, s.steps)
		}
		if m := waits[route]; m != nil && busy < s.workers && (limit == 0 || running[route] < limit) {
			s.t.Errorf("message %d waits, though it can start: %d of %d workers are busy, %d of its route run\n%v", m.n, busy, s.workers, running[route], s.steps)
		}
	}
	if busy > s.workers {
		s.t.Errorf("%d workers are busy, there are %d", busy, s.workers)
	}
}

func TestRandomSchedulesKeepTheRulesAboutWaiting(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	for i := range uint64(60) {
		synctest.Test(t, func(t *testing.T) {
			s := newSchedule(t, seed+i)
			for n := range 120 {
				s.step(n)
				if s.check(); t.Failed() {
					t.Fatalf("seed %d, step %d", seed+i, n)
				}
			}
			for channel := range s.paused {
				s.resume(channel)
			}
			time.Sleep(time.Minute)
			s.mu.Lock()
			defer s.mu.Unlock()
			for _, m := range s.all {
				if !m.ended {
					t.Errorf("seed %d: message %d to %s was accepted but not handled\n%v", seed+i, m.n, m.route, s.steps)
				}
			}
		})
		if t.Failed() {
			return
		}
	}
}
