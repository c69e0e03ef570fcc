package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/asgi"
)

// A step is one call of a random program. The meaning of its numbers depends on
// the call.
type step struct {
	call    string
	a, b, n int
}

func (st step) String() string { return fmt.Sprintf("{%q, %d, %d, %d},", st.call, st.a, st.b, st.n) }

var (
	modelCalls = []string{
		"send", "send", "send", "volatile", "poll", "poll", "park", "cancel", "sleep", "putback",
		"add", "add", "discard", "leave", "members", "group", "group", "later", "flush", "pending",
		"bind", "unbind", "mailbox", "gone", "set", "ttl", "get", "incr", "swap", "delete", "keys", "restart",
	}
	modelChannels = []string{"jobs", "mail", "body?x", "proc!a", "proc!b"}
	modelQueues   = []string{"jobs", "mail", "body?x", "proc!"}
	modelGroups   = []string{"room", "hall"}
	modelKeys     = []string{"state/a", "state/b", "session/c"}
)

func randomProgram(r *rand.Rand) []step {
	program := make([]step, 10+r.IntN(60))
	for i := range program {
		program[i] = step{modelCalls[r.IntN(len(modelCalls))], r.IntN(60), r.IntN(60), i}
	}
	return program
}

// A trial runs one program against a store and the model.
type trial struct {
	t     testing.TB
	store *Store
	model *model
	path  string // of the file; empty in memory
	opts  Options

	last      asgi.Delivery // of the last poll
	lastModel *modelMessage
	readers   int
	results   chan readerResult
	cancel    map[int]context.CancelFunc
	wg        sync.WaitGroup
	unbind    func()

	mu      sync.Mutex // guards the state of the bound process
	mailbox []int
	gone    map[string]bool
}

type readerResult struct {
	id  int
	d   asgi.Delivery
	err error
}

// try runs a program in a synctest bubble and returns the first difference
// between store and model.
func try(t *testing.T, program []step, journalled bool) (err error) {
	synctest.Test(t, func(t *testing.T) {
		tr := &trial{
			t:       t,
			opts:    Options{Capacity: 4, Expiry: 10 * time.Second, GroupExpiry: 25 * time.Second, NoSync: true},
			results: make(chan readerResult, 100),
			cancel:  make(map[int]context.CancelFunc),
			gone:    make(map[string]bool),
		}
		if journalled {
			dir, mkErr := os.MkdirTemp("", "model")
			if mkErr != nil {
				t.Fatal(mkErr)
			}
			defer os.RemoveAll(dir)
			tr.path = dir + "/channels.db"
		}
		tr.open()
		tr.model = newModel(tr.opts, time.Now())
		defer tr.close()
		for i, st := range program {
			if err = tr.step(st); err == nil {
				err = tr.settle()
			}
			if err == nil && i%8 == 7 {
				err = tr.store.Check(context.Background())
			}
			if err != nil {
				err = fmt.Errorf("step %d %v %w", i, st, err)
				return
			}
		}
		err = tr.store.Check(context.Background())
	})
	return err
}

func (tr *trial) open() {
	if tr.path == "" {
		tr.store = Memory(tr.opts)
		return
	}
	s, err := open(tr.path, tr.opts, func(d disk) disk { return twiceDisk{d} })
	if err != nil {
		tr.t.Fatal(err)
	}
	tr.store = s
}

func (tr *trial) close() {
	if err := tr.store.Close(context.Background()); err != nil {
		tr.t.Error(err)
	}
	tr.wg.Wait()
	clear(tr.cancel)
	for len(tr.results) > 0 {
		<-tr.results
	}
}

// step makes one call on the store and the model.
func (tr *trial) step(st step) error {
	s, m, ctx := tr.store, tr.model, context.Background()
	channel := modelChannels[st.a%len(modelChannels)]
	group := modelGroups[st.b%len(modelGroups)]
	key := modelKeys[st.a%len(modelKeys)]
	switch st.call {
	case "send":
		return wantFull(s.Send(ctx, nil, channel, number(st.n)), m.send(channel, st.n, true))
	case "volatile":
		return wantFull(s.Send(ctx, nil, channel, number(st.n), asgi.Volatile), m.send(channel, st.n, false))
	case "poll":
		return tr.poll(tr.someQueues(st))
	case "park":
		tr.park(tr.someQueues(st))
	case "cancel":
		tr.cancelReader()
	case "sleep":
		time.Sleep(time.Duration(st.a%7) * time.Second)
		synctest.Wait()
		m.advance(st.a % 7)
	case "putback":
		if tr.lastModel != nil {
			m.putBack(tr.lastModel)
			tr.lastModel = nil
			if err := s.PutBack(tr.last); err != nil && !errors.Is(err, asgi.ErrChannelFull) {
				return err
			}
		}
	case "add":
		m.join(group, channel)
		return s.GroupAdd(ctx, nil, group, channel)
	case "discard":
		m.discard(group, channel)
		return s.GroupDiscard(ctx, nil, group, channel)
	case "leave":
		m.leave(channel)
		return s.GroupLeave(ctx, nil, channel)
	case "members":
		got, err := s.GroupChannels(ctx, nil, group)
		return want(got, m.members(group), err)
	case "group":
		m.sendGroup(group, st.n, st.a%3 > 0)
		if st.a%3 > 0 {
			return s.SendGroup(ctx, nil, group, number(st.n))
		}
		return s.SendGroup(ctx, nil, group, number(st.n), asgi.Volatile)
	case "later":
		delay := time.Duration(1+st.b%15) * time.Second
		return wantFull(s.SendLater(ctx, nil, time.Now().Add(delay), channel, number(st.n)), m.sendLater(channel, st.n, delay))
	case "flush":
		if st.a%4 == 0 {
			m.flush()
			tr.lastModel = nil
			return s.Flush(ctx, nil)
		}
	case "pending":
		name := modelQueues[st.a%len(modelQueues)]
		stats, err := s.ChannelStatistics(ctx, name)
		return want(stats.MessagesPending, len(m.queues[name]), err)
	case "bind":
		return tr.bind()
	case "unbind":
		if tr.unbind != nil {
			tr.unbind()
			tr.unbind, m.bound = nil, false
		}
	case "mailbox":
		tr.mu.Lock()
		defer tr.mu.Unlock()
		err := want(tr.mailbox, m.mailbox, nil)
		tr.mailbox, m.mailbox = nil, nil
		return err
	case "gone":
		tr.mu.Lock()
		defer tr.mu.Unlock()
		tr.gone["proc!b"] = !tr.gone["proc!b"]
		m.gone["proc!b"] = tr.gone["proc!b"]
	case "restart":
		if tr.path != "" {
			tr.restart(st.a % 4)
		}
	default:
		return tr.valueStep(st, key)
	}
	return nil
}

func (tr *trial) valueStep(st step, key string) error {
	s, m, ctx := tr.store, tr.model, context.Background()
	old, had := m.values[key]
	switch st.call {
	case "set":
		m.values[key] = modelValue{v: int64(st.n), durable: st.b%4 > 0}
		if st.b%4 > 0 {
			return s.Set(ctx, nil, key, st.n, 0)
		}
		return s.Set(ctx, nil, key, st.n, 0, asgi.Volatile)
	case "ttl":
		ttl := time.Duration(1+st.b%12) * time.Second
		m.values[key] = modelValue{"text", m.now.Add(ttl), true}
		return s.Set(ctx, nil, key, "text", ttl)
	case "get":
		got, ok, err := s.Get(ctx, nil, key)
		return want([]any{got, ok}, []any{old.v, had}, err)
	case "incr":
		n, isInt := old.v.(int64)
		got, err := s.Incr(ctx, nil, key, int64(st.b))
		if had && !isInt {
			return want(errors.Is(err, asgi.ErrWrongType), true, nil)
		}
		m.values[key] = modelValue{n + int64(st.b), old.expires, !had || old.durable}
		return want(got, n+int64(st.b), err)
	case "swap":
		swapped, err := s.Swap(ctx, nil, key, st.b%10, st.n)
		match := old.v == any(int64(st.b%10))
		if match {
			m.values[key] = modelValue{int64(st.n), old.expires, old.durable}
		}
		return want(swapped, match, err)
	case "delete":
		delete(m.values, key)
		return s.Delete(ctx, nil, key)
	case "keys":
		got, err := s.Keys(ctx, nil, "state/")
		var keys []string
		for _, k := range modelKeys {
			if _, ok := m.values[k]; ok && strings.HasPrefix(k, "state/") {
				keys = append(keys, k)
			}
		}
		return want(got, keys, err)
	}
	return fmt.Errorf("no such call")
}

// someQueues picks one or more queues to read.
func (tr *trial) someQueues(st step) []string {
	var names []string
	for i, name := range modelQueues {
		if (1+st.a%15)&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}

// poll takes a message that must be the head of one of the queues.
func (tr *trial) poll(names []string) error {
	d, ok, err := tr.store.Poll(context.Background(), nil, names...)
	if err != nil {
		return err
	}
	if !ok {
		for _, name := range names {
			if waiting := tr.model.queues[name]; len(waiting) > 0 {
				return fmt.Errorf("polled nothing, but %d messages wait on %s", len(waiting), name)
			}
		}
		return nil
	}
	head := tr.model.take(asgi.ProcessPrefix(d.Channel))
	if head == nil || !slices.Contains(names, asgi.ProcessPrefix(d.Channel)) {
		return fmt.Errorf("polled %d from %s, but no message waits", d.Message.Int("n"), d.Channel)
	}
	tr.last, tr.lastModel = d, head
	return wantDelivery(d, head)
}

func wantDelivery(d asgi.Delivery, m *modelMessage) error {
	return want(
		[]any{d.Channel, d.Message.Int("n"), d.Deadline.UnixNano(), d.Volatile},
		[]any{m.channel, int64(m.n), m.deadline.UnixNano(), !m.durable}, nil)
}

// park starts a reader, unless a message waits on one of its queues.
func (tr *trial) park(names []string) {
	for _, name := range names {
		if len(tr.model.queues[name]) > 0 || len(tr.model.parked) > 20 {
			return
		}
	}
	tr.readers++
	id := tr.readers
	ctx, cancel := context.WithCancel(context.Background())
	tr.cancel[id] = cancel
	tr.model.parked = append(tr.model.parked, &modelReader{id: id, channels: names})
	tr.wg.Go(func() {
		d, err := tr.store.Receive(ctx, nil, names...)
		tr.results <- readerResult{id, d, err}
	})
	synctest.Wait()
}

// cancelReader cancels the reader that has waited longest.
func (tr *trial) cancelReader() {
	if len(tr.model.parked) == 0 {
		return
	}
	r := tr.model.parked[0]
	tr.model.parked = tr.model.parked[1:]
	tr.cancel[r.id]()
	synctest.Wait()
	<-tr.results
	delete(tr.cancel, r.id)
}

// settle waits until the store is idle, and compares the messages that parked
// readers received.
func (tr *trial) settle() error {
	synctest.Wait()
	var got []string
	for len(tr.results) > 0 {
		r := <-tr.results
		got = append(got, fmt.Sprint(r.id, " ", r.d.Channel, " ", r.d.Message.Int("n"), " ", r.err))
		tr.cancel[r.id]()
		delete(tr.cancel, r.id)
	}
	var expected []string
	tr.model.parked = slices.DeleteFunc(tr.model.parked, func(r *modelReader) bool {
		if r.got != nil {
			expected = append(expected, fmt.Sprint(r.id, " ", r.got.channel, " ", r.got.n, " ", error(nil)))
		}
		return r.got != nil
	})
	slices.Sort(got)
	slices.Sort(expected)
	return want(got, expected, nil)
}

func (tr *trial) bind() error {
	if tr.unbind != nil {
		return nil
	}
	tr.model.bind()
	unbind, err := tr.store.Bind("proc!", func(d asgi.Delivery) error {
		tr.mu.Lock()
		defer tr.mu.Unlock()
		switch {
		case tr.gone[d.Channel]:
			return asgi.ErrGone
		case d.Probe:
			return nil
		case len(tr.mailbox) >= 3:
			return asgi.ErrChannelFull
		}
		tr.mailbox = append(tr.mailbox, int(d.Message.Int("n")))
		return nil
	})
	tr.unbind = unbind
	return err
}

func (tr *trial) restart(seconds int) {
	tr.close()
	tr.unbind, tr.lastModel = nil, nil
	tr.mailbox = nil
	time.Sleep(time.Duration(seconds) * time.Second)
	tr.open()
	synctest.Wait()
	tr.model.restart(seconds)
}

func want[T any](got, expected T, err error) error {
	if err != nil {
		return err
	}
	if a, b := fmt.Sprint(got), fmt.Sprint(expected); a != b {
		return fmt.Errorf("returns %s, not %s", a, b)
	}
	return nil
}

func wantFull(err error, full bool) error {
	if full && errors.Is(err, asgi.ErrChannelFull) {
		return nil
	}
	return want(err != nil, full, nil)
}

// shrink removes steps from a program while it still fails.
func shrink(program []step, fails func([]step) bool) []step {
	for size := len(program) / 2; size > 0; {
		shorter := false
		for at := 0; at+size <= len(program); {
			without := slices.Concat(program[:at], program[at+size:])
			if fails(without) {
				program, shorter = without, true
			} else {
				at += size
			}
		}
		if !shorter || size > len(program) {
			size /= 2
		}
	}
	return program
}

func testModel(t *testing.T, journalled bool, programs int) {
	seed := uint64(time.Now().UnixNano())
	for i := range uint64(programs) {
		program := randomProgram(rand.New(rand.NewPCG(seed, i)))
		if err := try(t, program, journalled); err != nil {
			program = shrink(program, func(p []step) bool { return try(t, p, journalled) != nil })
			t.Fatalf("seed %d, program %d: %v\nThe shortest failing program: %v\n%v", seed, i, err, try(t, program, journalled), program)
		}
	}
}

func TestMemoryAgreesWithTheModel(t *testing.T)     { testModel(t, false, rounds(300, 20_000)) }
func TestJournalledAgreesWithTheModel(t *testing.T) { testModel(t, true, rounds(60, 3_000)) }
