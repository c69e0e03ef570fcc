package redisstore

import (
	"context"

	"asgibox/asgi"
)

// Receive waits for a message. See [asgi.Layer]. While Redis is gone, it waits
// until it is back.
func (l *Layer) Receive(ctx context.Context, c *asgi.Cause, channels ...string) (asgi.Delivery, error) {
	places, err := l.places(channels)
	if err != nil {
		return asgi.Delivery{}, err
	}
	if ctx.Err() != nil {
		return asgi.Delivery{}, context.Cause(ctx)
	}
	if err := l.closing(); err != nil {
		return asgi.Delivery{}, err
	}
	if err := l.waitingNames.Add(len(channels)); err != nil {
		return asgi.Delivery{}, err
	}
	defer l.waitingNames.Remove(len(channels))
	w := &waiter{ready: make(chan asgi.Delivery, 1)}
	for h, names := range places {
		h.reader.add(w, names)
	}
	var d asgi.Delivery
	select {
	case d = <-w.ready:
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-l.life.Done():
		err = asgi.ErrClosed
	}
	cancelled := err != nil && w.claim()
	for h, names := range places {
		h.reader.remove(w, names, cancelled || len(places) > 1)
	}
	switch {
	case cancelled:
		return asgi.Delivery{}, err
	case err != nil:
		d = <-w.ready
	}
	c.Take(d)
	return d, nil
}

// Poll takes a message if there is one. See [asgi.Layer]. While Redis is gone,
// there is none.
func (l *Layer) Poll(ctx context.Context, c *asgi.Cause, channels ...string) (asgi.Delivery, bool, error) {
	places, err := l.places(channels)
	if err != nil {
		return asgi.Delivery{}, false, err
	}
	if err := l.closing(); err != nil {
		return asgi.Delivery{}, false, err
	}
	first := int(l.polls.Add(1) - 1)
	for i := range l.hosts {
		h := l.hosts[(first+i)%len(l.hosts)]
		names := places[h]
		if names == nil || h.gone() != nil {
			continue
		}
		d, ok, err := l.pollHost(h, names)
		if ok {
			c.Take(d)
			return d, true, nil
		}
		if err != nil && h.gone() == nil {
			return d, false, err
		}
	}
	return asgi.Delivery{}, false, nil
}

// pollHost takes a message that can be read from a host.
func (l *Layer) pollHost(h *host, channels []string) (d asgi.Delivery, ok bool, err error) {
	for {
		l.fair.order(channels)
		keys, args := l.takeArgs(channels, 1, nil, "", "")
		v, err := h.eval(context.Background(), "poll", takeScript, keys, args...)
		if err != nil {
			return d, false, err
		}
		reply, _ := v.([]any)
		all := l.took(h, channels, reply)
		if len(all) == 0 {
			return d, false, nil
		}
		l.fair.took(all[0].channel)
		if d, ok = l.delivery(all[0]); ok {
			return d, true, nil
		}
	}
}

// places returns the channels by the hosts that they are on.
func (l *Layer) places(channels []string) (map[*host][]string, error) {
	if err := asgi.CheckReceiveAll(channels); err != nil {
		return nil, err
	}
	places := make(map[*host][]string, len(l.hosts))
	seen := make(map[string]bool, len(channels))
	for _, channel := range channels {
		switch {
		case seen[channel]:
		case asgi.KindOf(channel) != asgi.Normal:
			h := l.hostOf(channel)
			places[h] = append(places[h], channel)
		default:
			for _, h := range l.hosts {
				places[h] = append(places[h], channel)
			}
		}
		seen[channel] = true
	}
	return places, nil
}
