package redisstore

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"asgibox/asgi"
	"asgibox/internal/logkey"
)

const (
	// delayLook is the longest time between two looks for messages that are due,
	// so that those of a process that was killed are sent.
	delayLook = time.Second
	// delayRetry is the pause before a message is sent again to a full channel.
	delayRetry = 250 * time.Millisecond
	// leaseLife limits the life of a lease that no process recovers.
	leaseLife = time.Hour
)

// A delayServer sends delayed messages when they are due, and takes those that
// other processes send to asgi.delay. Each host has two goroutines.
type delayServer struct {
	layer *Layer
	hosts map[*host]*delayHost
}

type delayHost struct {
	server *delayServer
	host   *host
	line   *line

	mu     sync.Mutex         // held while sooner is filled
	sooner chan time.Duration // has room for one
}

func newDelayServer(l *Layer) *delayServer {
	s := &delayServer{layer: l, hosts: map[*host]*delayHost{}}
	for _, h := range l.hosts {
		s.hosts[h] = &delayHost{server: s, host: h, line: newLine(h), sooner: make(chan time.Duration, 1)}
	}
	for _, d := range s.hosts {
		l.spawn(d.sendDue)
		l.spawn(d.accept)
	}
	return s
}

// within says that a message is due on a host after a time.
func (s *delayServer) within(h *host, wait time.Duration) {
	if wait >= delayLook {
		return
	}
	d := s.hosts[h]
	d.mu.Lock()
	defer d.mu.Unlock()
	select {
	case other := <-d.sooner:
		wait = min(wait, other)
	default:
	}
	d.sooner <- wait
}

// look makes all hosts look now.
func (s *delayServer) look() {
	for h := range s.hosts {
		s.within(h, 0)
	}
}

// sendDue sends the messages that are due until the layer is closed.
func (d *delayHost) sendDue() {
	l := d.server.layer
	timer := time.NewTimer(0)
	defer timer.Stop()
	next := time.Now()
	for {
		select {
		case <-timer.C:
			wait, err := d.round()
			if err != nil {
				if !d.host.wait(l.life, delayLook) {
					return
				}
				wait = 0
			}
			next = time.Now().Add(wait)
			timer.Reset(wait)
		case wait := <-d.sooner:
			if at := time.Now().Add(wait); at.Before(next) {
				next = at
				timer.Reset(wait)
			}
		case <-l.life.Done():
			return
		}
	}
}

// round sends the messages that are due and returns the time until it must be
// called again.
func (d *delayHost) round() (time.Duration, error) {
	l := d.server.layer
	v, err := d.host.eval(l.life, "due", dueScript, []string{l.delayKey()})
	if err != nil {
		return 0, err
	}
	reply, _ := v.([]any)
	if len(reply) == 0 {
		return delayLook, nil
	}
	wait := delayLook
	if next := number(reply[0]); next >= 0 {
		wait = min(wait, time.Duration(next)*time.Microsecond)
	}
	due := texts(reply[1:])
	for ; len(due) >= 2; due = due[2:] {
		sent, err := d.promote(due[0], due[1])
		if err != nil {
			return 0, err
		}
		if !sent {
			wait = min(wait, delayRetry)
		}
	}
	if len(reply) > 2*100 {
		wait = 0 // there may be more
	}
	return wait, nil
}

// promote sends a message that is due. It reports false if its channel takes none now.
func (d *delayHost) promote(id, channel string) (sent bool, err error) {
	l := d.server.layer
	if len(l.seals) == 0 {
		v, err := d.send(id, channel, "", false)
		return v != int64(0), err
	}
	// The encryption has a time, which must be that of the sending.
	v, err := d.send(id, channel, "", true)
	body, found := v.(string)
	if err != nil || !found {
		return v != int64(0), err
	}
	plain, err := l.openWithin([]byte(body), 0)
	if err == nil {
		plain, err = l.seal(plain)
	}
	if err != nil {
		l.log.Error("dropped a delayed message that cannot be read", logkey.Channel, channel, logkey.Error, err)
		op := &operation{kind: "due"}
		op.add(nil, "zrem", l.delayKey(), id)
		op.add(nil, "unlink", l.delayKey()+":"+id)
		return true, d.host.runAll(l.life, op)
	}
	v, err = d.send(id, channel, string(plain), false)
	return v != int64(0), err
}

// send runs promoteScript. It returns 0 too if the channel can take no message because
// of the state of Redis, so that the messages to other channels are sent.
func (d *delayHost) send(id, channel, body string, ask bool) (any, error) {
	l := d.server.layer
	op := &operation{kind: "due"}
	op.eval(promoteScript, []string{l.delayKey(), l.listKey(channel), l.bodyKey(channel)},
		id, body, seconds(l.opts.Expiry), l.capacityOf(channel), delayRetry.Microseconds(), l.opts.StatsPrefix, asgi.ProcessPrefix(channel), oneIf(ask))
	if err := d.host.run(l.life, op); err != nil {
		return nil, err
	}
	if err := op.cmds[0].Err(); isWrongType(err) {
		l.wrongType(d.host, channel, err.Error())
		return int64(0), nil
	}
	v, err := reply(d.host, op.cmds[0])
	if errors.Is(err, errOutOfMemory) {
		return int64(0), nil
	}
	return v, err
}

// accept takes the messages that other processes send to asgi.delay, until the
// layer is closed. A message is moved to the lease of this process, and from there
// to the delayed messages, so it is not lost if the process is killed in between:
// another one moves it back. This one does if a call fails.
func (d *delayHost) accept() {
	l := d.server.layer
	ended := make(chan struct{})
	defer d.line.close()
	defer afterContext(l.life, func() { d.line.interrupt(ended, true) })()
	defer close(ended)
	for l.life.Err() == nil {
		err := d.acceptOne()
		for err != nil {
			if !d.line.recover(l.life, err) {
				return
			}
			err = l.recoverLease(l.life, d.host, l.id) // the message that was not stored
		}
	}
}

func (d *delayHost) acceptOne() error {
	l := d.server.layer
	started := time.Now()
	list, lease := l.listKey(asgi.DelayChannel), l.leaseKey(l.id)
	key, err := d.line.client.BLMove(context.Background(), list, lease, "left", "right", blockTime).Result()
	if err == redis.Nil {
		key, err = "", nil
	}
	d.line.observe("block", started, err)
	if err != nil || key == "" {
		return err
	}
	op := &operation{kind: kindPutBack}
	op.add(nil, "expire", lease, seconds(leaseLife))
	op.add(nil, "get", key)
	op.add(nil, "zcard", l.delayKey())
	if err := d.host.run(context.Background(), op); err != nil {
		return err
	}
	if err := firstError(op.cmds); err != nil && !isWrongType(op.cmds[1].Err()) {
		return err
	}
	body, _ := op.cmds[1].Val().(string) // of a wrong type: the message is dropped
	return d.store(key, body, number(op.cmds[2].Val()))
}

// store makes a delayed message of one in the lease.
func (d *delayHost) store(key, body string, waiting int64) error {
	l := d.server.layer
	h, channel, encoded, delay := d.host, "", []byte(nil), time.Duration(0)
	if body != "" {
		_, m, err := l.decode(asgi.DelayChannel, body)
		var content asgi.Message
		if err == nil {
			channel, delay, content, err = asgi.ParseDelay(m)
		}
		if err == nil {
			encoded, err = l.encode(channel, content)
		}
		if err != nil {
			l.log.Error("dropped an invalid message to asgi.delay", logkey.Error, err, logkey.Channel, channel)
			channel = ""
		} else if asgi.KindOf(channel) != asgi.Normal {
			h = l.channelHost(channel)
		}
	}
	if channel != "" && waiting >= int64(l.capacityOf(asgi.DelayChannel)) {
		return d.giveBack(key)
	}
	lease := l.leaseKey(l.id)
	if h == d.host {
		_, err := h.eval(context.Background(), kindPutBack, acceptScript, []string{l.delayKey(), lease, key}, newID(), channel, encoded, delay.Microseconds())
		if err == nil && channel != "" {
			l.delay.within(h, delay)
		}
		return err
	}
	// The target is on another host, so storing is not one step with leaving the
	// lease. The id is that of the body: a message that is stored again after a
	// crash replaces itself.
	id := key[len(l.opts.Prefix):]
	if _, err := h.eval(context.Background(), kindPutBack, laterScript, []string{l.delayKey(), l.listKey(asgi.DelayChannel)},
		id, channel, encoded, delay.Microseconds(), int64(1)<<40, l.opts.StatsPrefix); err != nil {
		return err
	}
	_, err := d.host.eval(context.Background(), kindPutBack, acceptScript, []string{l.delayKey(), lease, key}, "", "", "", 0)
	if err == nil {
		l.delay.within(h, delay)
	}
	return err
}

// giveBack moves a message back to asgi.delay, because too many delayed messages
// wait, and pauses.
func (d *delayHost) giveBack(key string) error {
	l := d.server.layer
	op := &operation{kind: kindPutBack}
	op.add(nil, "lpush", l.listKey(asgi.DelayChannel), key)
	op.add(nil, "lrem", l.leaseKey(l.id), 1, key)
	op.add(nil, "expire", l.listKey(asgi.DelayChannel), seconds(l.opts.Expiry)+1)
	if err := d.host.run(context.Background(), op); err != nil {
		return err
	}
	select {
	case <-time.After(delayLook * 2):
	case <-l.life.Done():
	}
	return firstError(op.cmds)
}

// recoverLease moves what a machine has taken from asgi.delay, and not stored, back.
func (l *Layer) recoverLease(ctx context.Context, h *host, machine string) error {
	for {
		v, err := h.do(ctx, "delay", "lmove", l.leaseKey(machine), l.listKey(asgi.DelayChannel), "right", "left")
		if err != nil || v == nil {
			return err
		}
		if _, err := h.do(ctx, "delay", "expire", l.listKey(asgi.DelayChannel), seconds(l.opts.Expiry)+1); err != nil {
			return err
		}
	}
}
