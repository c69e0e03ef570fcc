package remote

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"asgibox/asgi"
)

// bindings are the goroutines that receive for bound functions.
type bindings struct {
	mu      sync.Mutex // guards closed and cancels
	closed  bool
	cancels map[string]context.CancelFunc // by prefix
	loops   sync.WaitGroup
}

// Bind implements [asgi.Layer]; see also [Client].
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
		return nil, fmt.Errorf("the prefix %q is already bound", prefix)
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

// deliverAll receives and delivers until ctx ends. It also delivers a message
// that the server assigned before it ended the last wait.
func (c *Client) deliverAll(ctx context.Context, prefix string, deliver func(asgi.Delivery) error) {
	for ctx.Err() == nil {
		d, err := c.Receive(ctx, nil, prefix)
		if err != nil {
			pause(ctx, retryInterval)
			continue
		}
		if errors.Is(deliver(d), asgi.ErrGone) && c.Offers(asgi.ExtGroups) {
			// If this fails, the next message for the channel retries it.
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
