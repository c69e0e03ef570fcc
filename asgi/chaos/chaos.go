// Package chaos is a layer around a layer that drops, delays or reorders a
// share of the messages on chosen channels, so that people can see what their
// application makes of at-most-once delivery before a bad day shows them.
//
// # What a sender sees
//
// A message that is dropped or held back was sent, as far as its sender can
// tell. Bad names and messages that are too large are refused as ever. A
// channel that is full refuses what is sent straight on; a message that was
// held back and then finds its channel full is lost, and counted.
//
// # Order
//
// A delay keeps the order of a channel: what follows a delayed message waits
// behind it. A reordered message changes places with the next one on its
// channel; if none comes within a second it goes by itself.
//
// # Cost
//
// With no rules and nothing held back all passes at once, for the price of
// reading one variable: a server can have it ready without anybody noticing.
//
// # Durability
//
// What is held back is in memory only: a crash loses it, which is one more
// thing that at-most-once allows.
package chaos

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"asgibox/asgi"
)

// Options of a [Layer].
type Options struct {
	Rules []Rule       // the first that matches a channel counts; none: everything passes
	Seed  uint64       // of chance; 0 takes one, which is logged
	Log   *slog.Logger // nowhere
}

// Layer passes calls on to the layer behind it, all but some messages. It has
// the extensions that the layer behind it has.
type Layer struct {
	asgi.Layer
	asgi.Groups
	asgi.Flusher
	asgi.Statistics
	asgi.Later
	asgi.KV
	asgi.Readers
	putBack asgi.PutBack
	log     *slog.Logger
	ctx     context.Context // ends at Close
	stop    context.CancelFunc
	active  atomic.Bool // whether there are rules or something is held back

	mu      sync.Mutex // guards what follows, and is held over no call of the layer behind
	rules   []Rule
	dice    *rand.Rand
	lines   map[string]*line // what is held back, by channel
	total   Counts
	recent  map[string]*Counts // by rule, since the last report
	report  *time.Timer        // nil while there is nothing to report
	closed  bool
	running sync.WaitGroup // timers' functions
}

var _ asgi.Partial = (*Layer)(nil)

// New puts chaos before a layer. Close it before the layer behind it.
func New(behind asgi.Layer, o Options) *Layer {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Seed == 0 {
		o.Seed = rand.Uint64()
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
		putBack:    asgi.OrUnsupported[asgi.PutBack](behind),
		log:        o.Log,
		ctx:        ctx,
		stop:       stop,
		rules:      o.Rules,
		dice:       rand.New(rand.NewPCG(o.Seed, o.Seed)),
		lines:      map[string]*line{},
		recent:     map[string]*Counts{},
	}
	l.activeLocked()
	if len(o.Rules) > 0 {
		o.Log.Info("chaos is on", "rules", ruleTexts(o.Rules), "seed", o.Seed)
	}
	return l
}

// Offers reports whether the layer behind has the extension.
func (l *Layer) Offers(extension string) bool { return asgi.Offers(l.Layer, extension) }

// Rules answers the rules that count now.
func (l *Layer) Rules() []Rule {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rules
}

// SetRules changes the rules for what is sent from now on.
func (l *Layer) SetRules(rules []Rule) {
	l.mu.Lock()
	l.rules = rules
	l.activeLocked()
	l.mu.Unlock()
	l.log.Info("chaos has new rules", "rules", ruleTexts(rules))
}

func ruleTexts(rules []Rule) []string {
	texts := make([]string, len(rules))
	for i, r := range rules {
		texts[i] = r.String()
	}
	return texts
}

// Close drops what is held back and returns once nothing of it is being sent.
// The layer behind stays open; from now on everything passes to it.
func (l *Layer) Close() {
	l.mu.Lock()
	l.closed = true
	l.dropHeldLocked()
	l.activeLocked()
	if l.report != nil && l.report.Stop() {
		l.running.Done()
	}
	l.mu.Unlock()
	l.stop()
	l.running.Wait()
	l.tell()
}

// Send sends the message, or lets chance decide.
func (l *Layer) Send(ctx context.Context, c *asgi.Cause, channel string, m asgi.Message, opts ...asgi.SendOption) error {
	if !l.concerned(channel) {
		return l.Layer.Send(ctx, c, channel, m, opts...)
	}
	if err := l.refuse(channel, m); err != nil {
		return err
	}
	l.mu.Lock()
	f := l.fateLocked(channel)
	if f.drop {
		l.countLocked(f.pattern, Counts{Dropped: 1})
		l.mu.Unlock()
		return nil
	}
	h := &held{channel: channel, pattern: f.pattern, message: m, opts: opts, ctx: ctx, cause: copyOf(c), due: time.Now().Add(f.delay)}
	ln := l.joinLocked(h, f)
	l.mu.Unlock()
	l.drain(ln)
	if h.done == nil {
		return nil
	}
	<-h.done
	c.Raise(h.cause.Barrier())
	return h.err
}

// refuse answers the error that the layer behind would answer whatever became
// of the message.
func (l *Layer) refuse(channel string, m asgi.Message) error {
	if err := asgi.CheckSend(channel); err != nil {
		return err
	}
	if limit := l.Settings().MaxMessage + asgi.MessageOverhead; m.Size() > limit {
		return &asgi.MessageTooLargeError{Size: m.Size(), Limit: limit}
	}
	return nil
}

// SendGroup sends to the members one by one where chance may decide about one
// of them.
func (l *Layer) SendGroup(ctx context.Context, c *asgi.Cause, group string, m asgi.Message, opts ...asgi.SendOption) error {
	if !l.active.Load() {
		return l.Groups.SendGroup(ctx, c, group, m, opts...)
	}
	members, err := l.GroupChannels(ctx, c, group)
	if err != nil {
		return err
	}
	if !l.concerned(members...) {
		return l.Groups.SendGroup(ctx, c, group, m, opts...)
	}
	for _, channel := range members {
		if err := l.Send(ctx, c, channel, m, opts...); err != nil && !errors.Is(err, asgi.ErrChannelFull) {
			return err
		}
	}
	return nil
}

// SendLater drops a message or makes it later still.
func (l *Layer) SendLater(ctx context.Context, c *asgi.Cause, due time.Time, channel string, m asgi.Message) error {
	if !l.active.Load() {
		return l.Later.SendLater(ctx, c, due, channel, m)
	}
	if err := l.refuse(channel, m); err != nil {
		return err
	}
	l.mu.Lock()
	f := l.fateLocked(channel)
	switch {
	case f.drop:
		l.countLocked(f.pattern, Counts{Dropped: 1})
	case f.delay > 0:
		l.countLocked(f.pattern, Counts{Delayed: 1})
	}
	l.mu.Unlock()
	if f.drop {
		return nil
	}
	return l.Later.SendLater(ctx, c, due.Add(f.delay), channel, m)
}

// PutBack returns a delivery to the layer behind, without chance.
func (l *Layer) PutBack(d asgi.Delivery) error { return l.putBack.PutBack(d) }

// Flush drops what is held back, too.
func (l *Layer) Flush(ctx context.Context, c *asgi.Cause) error {
	l.mu.Lock()
	l.dropHeldLocked()
	l.mu.Unlock()
	return l.Flusher.Flush(ctx, c)
}
