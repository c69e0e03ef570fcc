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

// The kill test runs a store under load in a process of its own, which tells
// on its standard output what an outsider would have seen, one line each:
//
//	sent K      message K was acknowledged: its sender's barrier has passed
//	group K     so was message K to the group of three channels
//	later K     so was message K, delayed by a moment
//	count N     the counter was seen to be N
//	wait W      worker W is about to receive: from here on it may have one
//	took W C K  worker W has message K of channel C
//	did C K     what worker W did with it was seen: its barrier has passed
//
// The process is killed at a random moment. What the outsider saw must agree
// with what the file holds then, and with all that came before.

const childEnv = "ASGIBOX_STORE_CHILD"

var groupChannels = []string{"copies.a", "copies.b", "copies.c"}

const (
	childSenders = 4
	childWorkers = 3
)

// child is the process that is killed.
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

	mu   sync.Mutex // guards next, and orders the lines
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

// number answers a message that is like no other, in this process or another.
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
		if err != nil { // full: the workers are slower
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

// An outsider remembers what it saw of all processes.
type outsider struct {
	acked map[string]bool // "channel k" that must be somewhere
	took  map[string]bool // that some worker had: may be lost
	did   map[string]bool // that must not come again
	count int64
	total struct{ acknowledged, handled, lost, repeated, stateLost int }
}

func newOutsider() *outsider {
	return &outsider{acked: make(map[string]bool), took: make(map[string]bool), did: make(map[string]bool)}
}

// watch reads what one process says and answers how many workers may have
// had a message without saying so.
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
			// It may have been taken again, and that said, before this line.
		case "did":
			o.did[f[1]+" "+f[2]] = true
			o.total.handled++
		default:
			t.Fatalf("the process says: %s", scanner.Text())
		}
	}
	return len(waiting)
}

func (o *outsider) ack(channel, k string) {
	o.acked[channel+" "+k] = true
	o.total.acknowledged++
}

// compare says what the file lacks, or has too much of.
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
			o.took[id] = true // judged
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

// present answers all that waits, as "channel k".
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
		t.Error("what the outside world had seen was not kept")
	}
	if o.total.acknowledged == 0 || o.total.handled == 0 {
		t.Error("nothing happened")
	}
}

// round starts a process, kills it at a random moment, and answers how many
// messages it may have handed out unseen.
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
	first.Peek(1) // it is at work
	kill := time.AfterFunc(time.Duration(rand.Int64N(int64(100*time.Millisecond))), func() { cmd.Process.Kill() })
	defer kill.Stop()
	maybe = o.watch(t, first)
	_ = cmd.Wait() // killed: an error, as it must be
	return maybe
}
