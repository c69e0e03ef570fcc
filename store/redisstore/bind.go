package redisstore

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"asgibox/asgi"
)

// takeLength is the number of messages that a binding takes at once.
const takeLength = 200

// A binding delivers the messages of a process-specific prefix to a function: its
// own goroutine those that come over Redis, and senders of this process theirs.
type binding struct {
	layer   *Layer
	prefix  string
	deliver func(asgi.Delivery) error
	line    *line
	life    context.Context
	end     context.CancelFunc
	ended   chan struct{}  // closed when run has returned
	calls   sync.WaitGroup // calls of deliver by senders; added to under Layer.mu while bound
	retries sync.WaitGroup // goroutines that deliver held messages; added to by run and drain

	live bool // the messages that waited are delivered; guarded by Layer.mu

	mu        sync.Mutex // guards the rest
	held      map[string]*held
	heldBytes int
}

// Bind makes deliver the reader of a prefix. See [asgi.Layer].
func (l *Layer) Bind(prefix string, deliver func(asgi.Delivery) error) (unbind func(), err error) {
	if err := asgi.CheckPrefix(prefix); err != nil {
		return nil, err
	}
	b := &binding{layer: l, prefix: prefix, deliver: deliver, ended: make(chan struct{}), held: map[string]*held{}}
	b.life, b.end = context.WithCancel(l.life)
	l.mu.Lock()
	switch {
	case l.closed:
		err = asgi.ErrClosed
	case l.bindings[prefix] != nil:
		err = &asgi.InvalidNameError{Name: prefix, Reason: "the prefix is already bound"}
	default:
		l.bindings[prefix] = b
	}
	l.mu.Unlock()
	if err != nil {
		return nil, err
	}
	unbind = sync.OnceFunc(b.unbind)
	b.line = newLine(l.hostOf(prefix))
	if err := b.drain(); err != nil {
		close(b.ended)
		unbind()
		return nil, err
	}
	l.mu.Lock()
	b.live = true
	l.mu.Unlock()
	if !l.spawn(b.run) {
		close(b.ended)
		unbind()
		return nil, asgi.ErrClosed
	}
	l.announce()
	return unbind, nil
}

func (b *binding) unbind() {
	l := b.layer
	b.end()
	<-b.ended
	b.retries.Wait()
	b.line.close()
	l.mu.Lock()
	delete(l.bindings, b.prefix)
	l.mu.Unlock()
	b.calls.Wait()
	l.announce()
}

// drain delivers the messages that wait.
func (b *binding) drain() error {
	for {
		n, err := b.take("")
		if err != nil || n == 0 {
			return b.line.host.failed(err)
		}
	}
}

// run delivers messages until the binding ends.
func (b *binding) run() {
	ended := make(chan struct{})
	defer close(b.ended)
	defer b.retries.Wait()
	defer afterContext(b.life, func() { b.line.interrupt(ended, true) })()
	defer close(ended)
	list := []string{b.layer.opts.Prefix + b.prefix}
	eager := false
	defer b.line.payBack()
	for b.life.Err() == nil {
		b.line.payBack()
		element := ""
		var err error
		if !eager {
			_, element, _, err = b.line.pop(list)
		}
		n := 0
		switch {
		case err != nil:
		case element != "" && b.life.Err() != nil:
			b.layer.putBack(b.line.host, []taken{{channel: b.prefix, key: element}})
		case element != "" || eager:
			n, err = b.take(element)
		}
		eager = n > takeLength/2
		if err != nil && !b.line.recover(b.life, err) {
			return
		}
	}
}

// take takes messages, first the one that was popped before, if any, and delivers
// them. It returns how many there were.
func (b *binding) take(element string) (int, error) {
	channels := []string{b.prefix}
	keys, args := b.layer.takeArgs(channels, takeLength, nil, b.prefix, element)
	reply, err := b.line.eval("take", takeScript, keys, args...)
	if err != nil {
		if element != "" {
			b.line.owed = append(b.line.owed, taken{channel: b.prefix, key: element})
		}
		return 0, err
	}
	all := b.layer.took(b.line.host, channels, reply)
	deliveries := make([]asgi.Delivery, 0, len(all))
	for _, t := range all {
		if d, ok := b.layer.delivery(t); ok {
			deliveries = append(deliveries, d)
		}
	}
	b.receiveAll(deliveries)
	return len(all), nil
}

// bound returns the binding for a channel of a connection, if it is one of this
// process and live, and begins a call of it.
func (l *Layer) bound(channel string) *binding {
	if asgi.KindOf(channel) != asgi.ProcessSpecific {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.bindings[asgi.ProcessPrefix(channel)]
	if b == nil || !b.live || b.life.Err() != nil {
		return nil
	}
	b.calls.Add(1)
	return b
}

// send delivers a message on the sender's goroutine. The caller has begun the
// call.
func (b *binding) send(ctx context.Context, c *asgi.Cause, channel string, m asgi.Message, shared *asgi.Shared, opts []asgi.SendOption) error {
	defer b.calls.Done()
	if b.holds(channel) {
		b.layer.countFull(b.prefix, 1)
		return slowReader(channel)
	}
	err := b.deliver(asgi.Delivery{
		Channel:  channel,
		Message:  m,
		Trace:    c.Trace(),
		Deadline: time.Now().Add(b.layer.opts.Expiry),
		Volatile: true,
		Reported: slices.Contains(opts, asgi.Reported),
		Shared:   shared,
	})
	switch {
	case errors.Is(err, asgi.ErrGone):
		b.layer.leave(ctx, []string{channel})
		if slices.Contains(opts, asgi.ReportGone) {
			return asgi.ErrGone
		}
		return nil
	case errors.Is(err, asgi.ErrChannelFull):
		b.layer.countFull(b.prefix, 1)
		if err == asgi.ErrChannelFull {
			return slowReader(channel)
		}
	}
	return err
}

func slowReader(channel string) error {
	return &asgi.ChannelFullError{Channel: channel, Reason: "the client of the connection reads too slowly"}
}

// HasReader reports false only for an ended connection of this process: whether
// another process reads a channel is not known. See [asgi.Readers].
func (l *Layer) HasReader(channel string) bool {
	return asgi.CheckSend(channel) != nil || !l.gone(channel)
}

// gone reports whether the channel is that of a connection of this process that has
// ended.
func (l *Layer) gone(channel string) bool {
	b := l.bound(channel)
	if b == nil {
		return false
	}
	defer b.calls.Done()
	return errors.Is(b.deliver(asgi.Delivery{Channel: channel, Probe: true}), asgi.ErrGone)
}
