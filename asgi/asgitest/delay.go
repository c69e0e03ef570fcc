package asgitest

import (
	"math"
	"time"

	"asgibox/asgi"
)

var needDelay = []string{asgi.ExtDelay}

var delaying = []promise{
	{name: "a delayed message is delivered when it is due and not earlier", needs: needDelay, check: func(r *rig) {
		r.later(5*time.Second, "c", 1)
		r.sleep(4 * time.Second)
		r.none("c")
		r.sleep(2 * time.Second)
		r.wants("c", 1)
	}},
	{name: "delayed messages are delivered in the order of their times", needs: append([]string{OneQueue}, needDelay...), check: func(r *rig) {
		r.later(3*time.Second, "c", 3)
		r.later(1*time.Second, "c", 1)
		r.later(2*time.Second, "c", 2)
		r.sleep(4 * time.Second)
		r.wants("c", 1, 2, 3)
	}},
	{name: "a waiting reader receives a delayed message", needs: needDelay, check: func(r *rig) {
		p := r.park("c")
		start := time.Now()
		r.later(5*time.Second, "c", 1)
		p.wants(1)
		if took := time.Since(start); took < r.suite.scale(5*time.Second) {
			r.Errorf("received after %v", took)
		}
	}},
	{name: "a bound function receives a delayed message", needs: needDelay, check: func(r *rig) {
		m, _ := r.bind("reply!")
		r.later(time.Second, "reply!x", 1)
		r.sleep(2 * time.Second)
		r.delivered(m, "reply!x", 1)
	}},
	{name: "a time in the past means now", needs: needDelay, check: func(r *rig) {
		r.later(-time.Hour, "c", 1)
		r.sleep(time.Second / 10)
		r.wants("c", 1)
	}},
	{name: "the expiry of a delayed message starts at its first delivery attempt", needs: needDelay, setup: tenSeconds, check: func(r *rig) {
		r.later(30*time.Second, "c", 1)
		r.later(30*time.Second, "d", 1)
		r.sleep(38 * time.Second)
		r.wants("c", 1)
		r.sleep(4 * time.Second)
		r.none("d")
	}},
	{name: "delivery to a full channel is retried until it has room", needs: append([]string{OneQueue}, needDelay...), setup: Setup{Capacity: 1}, check: func(r *rig) {
		r.send("c", 0)
		r.later(time.Second, "c", 1)
		r.sleep(6 * time.Second)
		r.wants("c", 0)
		r.sleep(5 * time.Second)
		r.wants("c", 1)
	}},
	{name: "sending later fails with the same errors as sending", needs: needDelay, setup: Setup{MaxMessage: 10_000}, check: func(r *rig) {
		l, due := r.laterExtension(), time.Now().Add(time.Second)
		r.fails("name", l.SendLater(r.ctx, nil, due, "bad name", number(1)), asgi.ErrInvalidName)
		r.fails("prefix", l.SendLater(r.ctx, nil, due, "reply!", number(1)), asgi.ErrInvalidName)
		r.fails("asgi.delay", l.SendLater(r.ctx, nil, due, "asgi.delay", number(1)), asgi.ErrInvalidName)
		r.fails("size", l.SendLater(r.ctx, nil, due, "c", sized(10_000+asgi.MessageOverhead+1)), asgi.ErrMessageTooLarge)
	}},
	{name: "a message to asgi.delay sends its content later", needs: needDelay, check: func(r *rig) {
		r.delay(5*time.Second, "c", 1)
		r.sleep(4 * time.Second)
		r.none("c")
		r.sleep(2 * time.Second)
		r.wants("c", 1)
		r.none("asgi.delay")
	}},
	{name: "an invalid message to asgi.delay does not fail and sends nothing", needs: needDelay, check: func(r *rig) {
		content := map[string]any{"n": 1}
		for _, bad := range []asgi.Fields{
			{},
			{{Key: "channel", Value: "c"}, {Key: "content", Value: content}},
			{{Key: "channel", Value: "c"}, {Key: "delay", Value: 0}, {Key: "content", Value: content}},
			{{Key: "channel", Value: "c"}, {Key: "delay", Value: -5}, {Key: "content", Value: content}},
			{{Key: "channel", Value: "c"}, {Key: "delay", Value: 1.5}, {Key: "content", Value: content}},
			{{Key: "channel", Value: "c"}, {Key: "delay", Value: "10"}, {Key: "content", Value: content}},
			{{Key: "channel", Value: "bad name"}, {Key: "delay", Value: 10}, {Key: "content", Value: content}},
			{{Key: "channel", Value: 7}, {Key: "delay", Value: 10}, {Key: "content", Value: content}},
			{{Key: "channel", Value: "asgi.delay"}, {Key: "delay", Value: 10}, {Key: "content", Value: map[string]any{"channel": "c", "delay": 10, "content": content}}},
			{{Key: "channel", Value: "c"}, {Key: "delay", Value: 10}},
			{{Key: "channel", Value: "c"}, {Key: "delay", Value: 10}, {Key: "content", Value: "text"}},
			{{Key: "channel", Value: "c"}, {Key: "delay", Value: 10}, {Key: "content", Value: map[string]any{asgi.ReservedKey: 1}}},
		} {
			r.must(r.Send(r.ctx, nil, "asgi.delay", asgi.MustMessage(bad...)))
		}
		r.sleep(time.Minute)
		r.none("c", "asgi.delay")
	}},
	{name: "a message with the longest delay is not sent early", needs: needDelay, check: func(r *rig) {
		r.must(r.Send(r.ctx, nil, "asgi.delay", asgi.MustMessage(
			asgi.Field{Key: "channel", Value: "c"},
			asgi.Field{Key: "delay", Value: math.MaxInt64},
			asgi.Field{Key: "content", Value: map[string]any{"n": 1}})))
		r.sleep(10 * time.Second)
		r.none("c")
	}},
	{name: "the capacity of asgi.delay limits the delayed messages", needs: append([]string{OneQueue}, needDelay...),
		setup: Setup{ChannelCapacity: []PatternCapacity{{"asgi.delay", 3}}}, check: func(r *rig) {
			for n := range 3 {
				r.later(5*time.Second, "c", n)
			}
			due := time.Now().Add(r.suite.scale(5 * time.Second))
			r.fails("send later", r.laterExtension().SendLater(r.ctx, nil, due, "c", number(4)), asgi.ErrChannelFull)
			r.fails("send to asgi.delay", r.Send(r.ctx, nil, "asgi.delay", delayed(5000, "c", 5)), asgi.ErrChannelFull)
			r.sleep(6 * time.Second)
			r.later(time.Second, "c", 6)
			r.sleep(2 * time.Second)
			r.wants("c", 0, 1, 2, 6)
		}},
}

func (r *rig) laterExtension() asgi.Later { return extension[asgi.Later](r) }

// later sends a numbered message after the given time of the suite.
func (r *rig) later(in time.Duration, channel string, n int) {
	r.Helper()
	r.must(r.laterExtension().SendLater(r.ctx, nil, time.Now().Add(r.suite.scale(in)), channel, number(n)))
}

// delay does the same with a message to asgi.delay.
func (r *rig) delay(in time.Duration, channel string, n int) {
	r.Helper()
	r.must(r.Send(r.ctx, nil, "asgi.delay", delayed(r.suite.scale(in).Milliseconds(), channel, n)))
}

func delayed(milliseconds int64, channel string, n int) asgi.Message {
	return asgi.MustMessage(
		asgi.Field{Key: "channel", Value: channel},
		asgi.Field{Key: "delay", Value: milliseconds},
		asgi.Field{Key: "content", Value: number(n)})
}
