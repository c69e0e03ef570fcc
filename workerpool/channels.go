package workerpool

import (
	"errors"
	"path"
	"slices"

	"asgibox/asgi"
	"asgibox/internal/logkey"
)

// listen updates the channels that the pool receives from, after the reason for
// it has changed.
func (p *Pool) listen() {
	p.listening.Lock()
	defer p.listening.Unlock()
	p.mu.Lock()
	p.subscribeLocked()
	channels := p.channels
	p.mu.Unlock()
	if p.offering == nil {
		return
	}
	if err := p.offering.Update(channels...); err != nil && !errors.Is(err, asgi.ErrClosed) {
		p.log.Error("could not receive from the channels of the application", logkey.Error, err)
	}
}

// subscribeLocked computes the channels that the pool receives from. If there is
// a leader, it learns of them at once.
func (p *Pool) subscribeLocked() {
	if p.current == nil || p.current.routed == nil {
		p.channels = nil
		return
	}
	was := p.channels
	p.channels = p.wantedLocked()
	if p.leader != nil && !slices.Equal(was, p.channels) {
		p.leader.unpark(errWake)
	}
}

// wantedLocked returns the channels that the pool must receive from.
func (p *Pool) wantedLocked() []string {
	var wanted []string
	add := func(name string) {
		if !slices.Contains(wanted, name) && p.opts.allows(name) {
			wanted = append(wanted, name)
		}
	}
	for _, name := range protocolChannels {
		if p.offering != nil || !p.holdsBackLocked(name) {
			add(name)
		}
	}
	if p.httpSessions {
		add(asgi.HTTPDisconnect)
	}
	for _, name := range p.current.routed.Channels() {
		switch {
		case isProtocol(name):
			if name == asgi.HTTPDisconnect {
				add(name)
			}
		case !p.drained && (p.offering != nil || !p.exhaustedLocked(name)):
			add(name)
		}
	}
	return wanted
}

// holdsBackLocked reports whether the leader must not receive from a channel of
// protocol servers now. It must not receive a disconnect while it does not receive
// the messages before it.
func (p *Pool) holdsBackLocked(channel string) bool {
	switch channel {
	case asgi.HTTPRequest, asgi.WebSocketConnect:
		return p.shut
	case asgi.WebSocketReceive:
		return p.fullLanes > 0
	case asgi.WebSocketDisconnect:
		return p.holdsBackLocked(asgi.WebSocketConnect) || p.holdsBackLocked(asgi.WebSocketReceive)
	}
	return false
}

// exhaustedLocked reports whether a route of the channel runs as many handlers
// as its limit allows. Durable messages stay in the channel layer meanwhile.
func (p *Pool) exhaustedLocked(channel string) bool {
	for _, l := range p.limits {
		if l.Channel == channel && l.full() {
			return true
		}
	}
	return false
}

// receivesFromLocked reports whether the pool receives from a channel.
func (p *Pool) receivesFromLocked(channel string) bool { return slices.Contains(p.channels, channel) }

// allows reports whether the options allow the pool to receive from a channel.
func (o *Options) allows(channel string) bool {
	matches := func(patterns []string) bool {
		return slices.ContainsFunc(patterns, func(pattern string) bool {
			ok, _ := path.Match(pattern, channel)
			return ok
		})
	}
	if len(o.OnlyChannels) > 0 && !matches(o.OnlyChannels) {
		return false
	}
	return !matches(o.ExcludeChannels)
}
