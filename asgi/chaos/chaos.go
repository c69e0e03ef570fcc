// Package chaos has a layer that stands in front of another layer. It drops,
// delays or reorders some of the messages on chosen channels, so that
// developers can test how an application handles lost and late messages.
//
// # Errors
//
// A sender gets no error for a message that is dropped or held. Sends with an
// invalid name and messages that are too large fail as usual. A send that is
// not held fails if the channel is full. A held message whose channel is full
// when it is due waits for room, and so do later messages of its sender. If there
// is no room until the message would have expired, it is lost, and counted.
//
// Held messages have limits as messages in channels do: of their number for
// each channel, and of the memory of all. A send above them fails with
// [asgi.ErrChannelFull].
//
// # Order
//
// A delay keeps the order of a channel: later messages wait behind a delayed
// one. A reordered message changes places with the next one on its channel; if
// none comes within a second, it is sent alone. A disconnect waits behind the
// held messages of its connection.
//
// # Cost
//
// Without rules and held messages, every call costs one read of a variable
// more, so a server can always use this layer.
//
// # Durability
//
// Held messages are in memory only: a crash loses them. At-most-once delivery
// allows that.
package chaos

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"asgibox/asgi"
)

// Options configure a [Layer].
type Options struct {
	Rules []Rule       // the first rule that matches a channel applies to it
	Seed  uint64       // for random decisions; 0 means a random seed, which is logged
	Log   *slog.Logger // by default nothing is logged

	// Limits of held messages.
	Capacity func(channel string) int // messages of a channel; by default the capacity of the layer behind
	Memory   int                      // bytes of all together; 256 MiB by default
}

// Layer passes calls on to the layer behind it, except some messages. It has
// the extensions of the layer behind it.
type Layer struct {
	asgi.Layer
	asgi.Groups
	asgi.Flusher
	asgi.Statistics
	asgi.Later
	asgi.KV
	asgi.Readers
	asgi.Ticker
	putBack   asgi.PutBack
	acceptors asgi.Acceptors
	log       *slog.Logger
	capacity  func(channel string) int
	memory    int
	ctx       context.Context // done after Close
	stop      context.CancelFunc
	active    atomic.Bool // whether there are rules or held messages

	mu      sync.Mutex // guards the rest; not held during calls of the layer behind
	rules   []Rule
	random  *rand.Rand
	queues  map[string]*queue // held messages by channel
	bytes   int               // of all held messages
	room    chan struct{}     // closed when there may be room again
	total   Counts
	recent  map[string]*Counts // by pattern of the rule, since the last report
	report  *time.Timer        // nil if there is nothing to report
	closed  bool
	running sync.WaitGroup // functions of timers
}

var _ asgi.Partial = (*Layer)(nil)

// New returns a layer in front of another one. Close it before the layer
// behind.
func New(behind asgi.Layer, o Options) *Layer {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Seed == 0 {
		o.Seed = rand.Uint64()
	}
	if o.Capacity == nil {
		o.Capacity = func(string) int { return behind.Settings().Capacity }
	}
	if o.Memory <= 0 {
		o.Memory = defaultMemory
	}
	ctx, stop := context.WithCancel(context.Background())
	l := &Layer{
		Layer:      behind,
		Groups:     asgi.OrUnsupported[asgi.Groups](behind),
		Flusher:    asgi.OrUnsupported[asgi.Flusher](behind),
		Statistics: asgi.OrUnsupported[asgi.Statistics](behind),
		Later:      asgi.OrUnsupported[asgi.Later](behind),
		KV:         asgi.OrUnsupported[asgi.KV](behind),
		Readers:    asgi.OrUnsupported[asgi.Readers](behind),
		Ticker:     asgi.OrUnsupported[asgi.Ticker](behind),
		putBack:    asgi.OrUnsupported[asgi.PutBack](behind),
		acceptors:  asgi.OrUnsupported[asgi.Acceptors](behind),
		log:        o.Log,
		capacity:   o.Capacity,
		memory:     o.Memory,
		ctx:        ctx,
		stop:       stop,
		rules:      o.Rules,
		random:     rand.New(rand.NewPCG(o.Seed, o.Seed)),
		queues:     map[string]*queue{},
		room:       make(chan struct{}),
		recent:     map[string]*Counts{},
	}
	l.updateActiveLocked()
	if len(o.Rules) > 0 {
		o.Log.Info("chaos is on", "rules", ruleTexts(o.Rules), "seed", o.Seed)
	}
	return l
}

// Offers reports whether the layer behind has the extension.
func (l *Layer) Offers(extension string) bool { return asgi.Offers(l.Layer, extension) }

// Rules returns the current rules.
func (l *Layer) Rules() []Rule {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rules
}

// SetRules replaces the rules for messages sent from now on.
func (l *Layer) SetRules(rules []Rule) {
	l.mu.Lock()
	l.rules = rules
	l.updateActiveLocked()
	l.mu.Unlock()
	l.log.Info("chaos rules changed", "rules", ruleTexts(rules))
}

func ruleTexts(rules []Rule) []string {
	texts := make([]string, len(rules))
	for i, r := range rules {
		texts[i] = r.String()
	}
	return texts
}

// Close drops all held messages and returns when none is being sent any more.
// The layer behind stays open; later calls pass straight to it.
func (l *Layer) Close() {
	l.mu.Lock()
	l.closed = true
	l.dropHeldLocked()
	l.updateActiveLocked()
	if l.report != nil && l.report.Stop() {
		l.running.Done()
	}
	l.mu.Unlock()
	l.stop()
	l.running.Wait()
	l.logCounts()
}

// Send sends the message, unless the rules decide otherwise.
func (l *Layer) Send(ctx context.Context, c *asgi.Cause, channel string, m asgi.Message, opts ...asgi.SendOption) error {
	if !l.affects(channel) {
		return l.Layer.Send(ctx, c, channel, m, opts...)
	}
	h, q, err := l.enqueue(ctx, c, 0, false, channel, m, opts)
	if h == nil {
		return err
	}
	return l.pass(h, q, c)
}

// enqueue adds a message to the queue of its channel, and waits for room with
// patience. It returns nil if the message was dropped or refused. No rule applies to a
// message again.
func (l *Layer) enqueue(ctx context.Context, c *asgi.Cause, patience time.Duration, again bool, channel string, m asgi.Message, opts []asgi.SendOption) (*held, *queue, error) {
	if err := l.check(channel, m); err != nil {
		return nil, nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var d decision
	if !again {
		d = l.decideLocked(channel)
	}
	if d.drop {
		l.countLocked(d.pattern, Counts{Dropped: 1})
		return nil, nil, nil
	}
	opts = slices.DeleteFunc(slices.Clone(opts), func(o asgi.SendOption) bool { return o == asgi.Lend }) // another goroutine may send it
	h := &held{channel: channel, pattern: d.pattern, message: m, opts: opts, ctx: ctx, cause: copyCause(c)}
	q, err := l.enqueueLocked(h, d)
	if err != nil && patience > 0 {
		q, err = l.waitForRoomLocked(h, d, patience)
	}
	if err != nil {
		return nil, nil, err
	}
	return h, q, nil
}

// pass sends the messages of a queue that are due. If the sender of h waits for
// it, pass returns its error.
func (l *Layer) pass(h *held, q *queue, c *asgi.Cause) error {
	l.drain(q)
	if h.done == nil {
		return nil
	}
	<-h.done
	c.Raise(h.cause.Barrier())
	return h.err
}

// check returns the error that the layer behind returns for an invalid
// message.
func (l *Layer) check(channel string, m asgi.Message) error {
	if err := asgi.CheckSend(channel); err != nil {
		return err
	}
	if limit := l.Settings().MaxMessage + asgi.MessageOverhead; m.Size() > limit {
		return &asgi.MessageTooLargeError{Size: m.Size(), Limit: limit}
	}
	return nil
}

// SendGroup sends to the members one by one if a rule applies to one of them.
func (l *Layer) SendGroup(ctx context.Context, c *asgi.Cause, group string, m asgi.Message, opts ...asgi.SendOption) error {
	if !l.active.Load() {
		return l.Groups.SendGroup(ctx, c, group, m, opts...)
	}
	members, err := l.GroupChannels(ctx, c, group)
	if err != nil {
		return err
	}
	if !l.affects(members...) {
		return l.Groups.SendGroup(ctx, c, group, m, opts...)
	}
	for _, channel := range members {
		if err := l.Send(ctx, c, channel, m, opts...); err != nil && !errors.Is(err, asgi.ErrChannelFull) {
			return err
		}
	}
	return nil
}

// SendLater drops the message or sends it even later, as the rules decide.
func (l *Layer) SendLater(ctx context.Context, c *asgi.Cause, due time.Time, channel string, m asgi.Message) error {
	if !l.active.Load() {
		return l.Later.SendLater(ctx, c, due, channel, m)
	}
	if err := l.check(channel, m); err != nil {
		return err
	}
	l.mu.Lock()
	d := l.decideLocked(channel)
	switch {
	case d.drop:
		l.countLocked(d.pattern, Counts{Dropped: 1})
	case d.delay > 0:
		l.countLocked(d.pattern, Counts{Delayed: 1})
	}
	l.mu.Unlock()
	if d.drop {
		return nil
	}
	return l.Later.SendLater(ctx, c, due.Add(d.delay), channel, m)
}

// PutBack returns a delivery to the layer behind. No rule applies to it.
func (l *Layer) PutBack(d asgi.Delivery) error { return l.putBack.PutBack(d) }

// Accept registers an acceptor with the layer behind. Messages are offered to it
// after the rules have let them pass.
func (l *Layer) Accept(a asgi.Acceptor) (asgi.Offering, error) { return l.acceptors.Accept(a) }

// SendWhenRoom is Send, but a message that finds no room waits: until it can be
// held or, if it is not held, in the layer behind. No rule applies to it again.
func (l *Layer) SendWhenRoom(ctx context.Context, c *asgi.Cause, patience time.Duration, channel string, m asgi.Message, opts ...asgi.SendOption) error {
	began := time.Now()
	for again := false; l.affects(channel); again = true {
		h, q, err := l.enqueue(ctx, c, patience-time.Since(began), again, channel, m, opts)
		if h == nil {
			return err
		}
		if err := l.pass(h, q, c); !errors.Is(err, asgi.ErrChannelFull) {
			return err
		}
		if !l.stalled(h, q) {
			break // it waits in the layer behind
		}
	}
	return l.acceptors.SendWhenRoom(ctx, c, patience, channel, m, opts...)
}

// ReceiveOrRun receives from the layer behind. Messages reach it after the rules have
// let them pass.
func (l *Layer) ReceiveOrRun(ctx context.Context, c *asgi.Cause, run func(asgi.Delivery) []string, channels ...string) (asgi.Delivery, bool, error) {
	return l.acceptors.ReceiveOrRun(ctx, c, run, channels...)
}

// Flush drops the held messages and flushes the layer behind.
func (l *Layer) Flush(ctx context.Context, c *asgi.Cause) error {
	l.mu.Lock()
	l.dropHeldLocked()
	l.mu.Unlock()
	return l.Flusher.Flush(ctx, c)
}
