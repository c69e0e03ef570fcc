package store

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"asgibox/asgi"
)

// The kill test runs a store under load in a separate process. The process
// writes the events that an outsider could see to its standard output, one line
// each:
//
//	sent K      message K was acknowledged: its sender's barrier has passed
//	group K     message K to the group of three channels was acknowledged
//	later K     message K, with a short delay, was acknowledged
//	count N     the counter had the value N
//	wait W      worker W calls Receive: from now on it may have a message
//	took W C K  worker W has message K of channel C
//	did C K     message K of channel C was handled: the worker's barrier has passed
//
// The process is killed at a random moment. The contents of the file must then
// agree with the events of this and all earlier processes.

const childEnv = "ASGIBOX_STORE_CHILD"

var groupChannels = []string{"copies.a", "copies.b", "copies.c"}

const (
	childSenders = 4
	childWorkers = 3
)

// child runs the process that is killed.
func child(path string) {
	s, err := Open(path, Options{Capacity: 5000, Expiry: time.Hour})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	c := &victim{store: s, base: time.Now().UnixNano()}
	for _, channel := range groupChannels {
		c.must(s.GroupAdd(context.Background(), nil, "room", channel))
	}
	for i := range childSenders {
		go c.send(i)
	}
	for i := range childWorkers {
		go c.work(i)
	}
	go c.count()
	_, _ = io.Copy(io.Discard, os.Stdin) // ends only if the parent does
	os.Exit(0)
}

type victim struct {
	store *Store
	base  int64

	mu   sync.Mutex // guards next, and keeps lines whole
	next int64
}

func (v *victim) must(err error) {
	if err != nil {
		v.say("error", err)
		os.Exit(1)
	}
}

func (v *victim) say(words ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	_, _ = os.Stdout.WriteString(fmt.Sprintln(words...))
}

// number returns a message with a number that no other message has, in this
// process or another.
func (v *victim) number() (int64, asgi.Message) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.next++
	k := v.base + v.next
	return k, asgi.MustMessage(asgi.Field{Key: "k", Value: k}, asgi.Field{Key: "body", Value: make([]byte, 100)})
}

func (v *victim) send(i int) {
	ctx := context.Background()
	for n := i; ; n++ {
		k, m := v.number()
		c := asgi.NewCause(0)
		var err error
		kind := "sent"
		switch n % 8 {
		case 0:
			kind = "group"
			err = v.store.SendGroup(ctx, c, "room", m)
		case 1:
			kind = "later"
			err = v.store.SendLater(ctx, c, time.Now().Add(time.Duration(rand.IntN(20))*time.Millisecond), "jobs", m)
		default:
			err = v.store.Send(ctx, c, "jobs", m)
		}
		if err != nil { // full: the workers are too slow
			time.Sleep(time.Millisecond)
			continue
		}
		v.must(c.Barrier().Wait(ctx))
		v.say(kind, k)
	}
}

func (v *victim) work(w int) {
	ctx := context.Background()
	for {
		c := asgi.NewCause(0)
		v.say("wait", w)
		d, err := v.store.Receive(ctx, c, append([]string{"jobs"}, groupChannels...)...)
		v.must(err)
		k := d.Message.Int("k")
		v.say("took", w, d.Channel, k)
		if rand.IntN(20) == 0 {
			v.must(v.store.PutBack(d))
			v.say("back", d.Channel, k)
			continue
		}
		_, err = v.store.Incr(ctx, c, "state/done", 1)
		v.must(err)
		v.must(c.Barrier().Wait(ctx))
		v.say("did", d.Channel, k)
	}
}

func (v *victim) count() {
	ctx := context.Background()
	for {
		c := asgi.NewCause(0)
		n, err := v.store.Incr(ctx, c, "state/count", 1)
		v.must(err)
		v.must(c.Barrier().Wait(ctx))
		v.say("count", n)
	}
}

// An outsider collects the events of all processes.
type outsider struct {
	acked map[string]bool // "channel k" of messages that must not be lost unless taken
	took  map[string]bool // of messages that a worker had: they may be lost
	did   map[string]bool // of messages that must not come again
	count int64
	total struct{ acknowledged, handled, lost, repeated, stateLost int }
}

func newOutsider() *outsider {
	return &outsider{acked: make(map[string]bool), took: make(map[string]bool), did: make(map[string]bool)}
}

// watch reads the output of one process and returns the number of workers that
// may have taken a message without reporting it.
func (o *outsider) watch(t testing.TB, lines io.Reader) (maybe int) {
	waiting := make(map[string]bool)
	scanner := bufio.NewScanner(lines)
	for scanner.Scan() {
		f := strings.Fields(scanner.Text())
		switch f[0] {
		case "sent", "later":
			o.ack("jobs", f[1])
		case "group":
			for _, channel := range groupChannels {
				o.ack(channel, f[1])
			}
		case "count":
			o.count, _ = strconv.ParseInt(f[1], 10, 64)
		case "wait":
			waiting[f[1]] = true
		case "took":
			delete(waiting, f[1])
			id := f[2] + " " + f[3]
			o.took[id] = true
			if o.did[id] {
				o.total.repeated++
			}
		case "back":
			// A worker may have taken it again and reported that before this line.
		case "did":
			o.did[f[1]+" "+f[2]] = true
			o.total.handled++
		default:
			t.Fatalf("unexpected output of the process: %s", scanner.Text())
		}
	}
	return len(waiting)
}

func (o *outsider) ack(channel, k string) {
	o.acked[channel+" "+k] = true
	o.total.acknowledged++
}

// compare counts the messages that the file lacks or has too many of.
func (o *outsider) compare(t testing.TB, path string, maybe int) {
	t.Helper()
	s, err := Open(path, Options{Capacity: 5000, Expiry: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer closeStore(t, s)
	present := s.present()
	missing := 0
	for id := range o.acked {
		if !o.took[id] && !present[id] {
			missing++
			o.took[id] = true // counted
		}
	}
	o.total.lost += max(0, missing-maybe)
	for id := range present {
		if o.did[id] {
			o.total.repeated++
		}
	}
	if v, _, _ := s.Get(t.Context(), nil, "state/count"); o.count > 0 && v.(int64) < o.count {
		o.total.stateLost++
	}
}

// present returns all waiting messages, as "channel k".
func (s *Store) present() map[string]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	present := make(map[string]bool)
	for _, q := range s.queues {
		for r := q.head; r != nil; r = r.next {
			present[fmt.Sprint(r.channel, " ", r.message.Int("k"))] = true
		}
	}
	for _, d := range s.delays.all() {
		present[fmt.Sprint(d.channel, " ", d.message.Int("k"))] = true
	}
	return present
}

func TestKill9LosesNothingAcknowledgedAndRepeatsNothingSeen(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := newPath(t)
	o := newOutsider()
	n := rounds(5, 300)
	for range n {
		maybe := o.round(t, exe, path)
		o.compare(t, path, maybe)
		if t.Failed() {
			break
		}
	}
	t.Logf("rounds %d, acknowledged %d, handled %d, lost %d, repeated %d, states gone %d",
		n, o.total.acknowledged, o.total.handled, o.total.lost, o.total.repeated, o.total.stateLost)
	if o.total.lost+o.total.repeated+o.total.stateLost > 0 {
		t.Error("acknowledged state was lost, or a handled message came again")
	}
	if o.total.acknowledged == 0 || o.total.handled == 0 {
		t.Error("no message was acknowledged or handled")
	}
}

// round starts a process, kills it at a random moment, and returns the number of
// messages that workers may have taken without reporting it.
func (o *outsider) round(t testing.TB, exe, path string) (maybe int) {
	t.Helper()
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), childEnv+"="+path)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	first := bufio.NewReader(stdout)
	first.Peek(1) // wait until it works
	kill := time.AfterFunc(time.Duration(rand.Int64N(int64(100*time.Millisecond))), func() { cmd.Process.Kill() })
	defer kill.Stop()
	maybe = o.watch(t, first)
	_ = cmd.Wait() // an error, because the process was killed
	return maybe
}
