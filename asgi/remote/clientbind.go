package remote

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"asgibox/asgi"
)

// bindings are the loops that receive for bound functions.
type bindings struct {
	mu      sync.Mutex // guards what follows
	closed  bool
	cancels map[string]context.CancelFunc // by prefix
	loops   sync.WaitGroup
}

// Bind makes deliver the reader of a prefix; see [asgi.Layer] and [Client].
func (c *Client) Bind(prefix string, deliver func(asgi.Delivery) error) (unbind func(), err error) {
	if err := asgi.CheckPrefix(prefix); err != nil {
		return nil, err
	}
	b := &c.bindings
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed:
		return nil, asgi.ErrClosed
	case b.cancels[prefix] != nil:
		return nil, fmt.Errorf("the prefix %q is bound already", prefix)
	case b.cancels == nil:
		b.cancels = map[string]context.CancelFunc{}
	}
	ctx, cancel := context.WithCancel(context.Background())
	b.cancels[prefix] = cancel
	ended := make(chan struct{})
	b.loops.Go(func() {
		defer close(ended)
		c.deliverAll(ctx, prefix, deliver)
	})
	return sync.OnceFunc(func() {
		cancel()
		<-ended
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.cancels, prefix)
	}), nil
}

// deliverAll receives and delivers until ctx ends. What the server answered
// when it was told to end the wait is delivered, too.
func (c *Client) deliverAll(ctx context.Context, prefix string, deliver func(asgi.Delivery) error) {
	for ctx.Err() == nil {
		d, err := c.Receive(ctx, nil, prefix)
		if err != nil {
			pause(ctx, retryEvery)
			continue
		}
		if errors.Is(deliver(d), asgi.ErrGone) && c.Offers(asgi.ExtGroups) {
			// A membership that stays is ended by the next message.
			_ = c.GroupLeave(ctx, nil, d.Channel)
		}
	}
}

func (b *bindings) close() {
	b.mu.Lock()
	b.closed = true
	for _, cancel := range b.cancels {
		cancel()
	}
	b.mu.Unlock()
	b.loops.Wait()
}
