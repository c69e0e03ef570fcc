// Package playback plays recordings of HTTP requests and WebSockets against an
// application and compares its replies with the recorded ones.
//
// [Read] reads a recording and [Recording.Play] plays it: it takes the part of
// the protocol server and sends the recorded messages to the layer, with reply
// channels of its own. Like the recorded clients, it sends a message only after
// the application has sent the replies that were recorded before that message.
//
// A connection takes a little more than the replies that were recorded for it. Then
// it counts as ended, so that a response without an end ends.
package playback

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"asgibox/asgi"
	"asgibox/inspector/api"
)

const (
	// replyTimeout is how long the application may send no reply before
	// expected replies count as missing.
	replyTimeout = 2 * time.Second
	// maxLost limits the sum of all waits for missing replies, so that a
	// recording ends soon if the application replies to nothing.
	maxLost = 20 * time.Second
	// extraTime is how long Play waits at the end for replies that were not
	// recorded.
	extraTime = 200 * time.Millisecond
	// reportEvery is the shortest time between two progress reports.
	reportEvery = 100 * time.Millisecond
	// moreBytes is how many bytes of replies a connection takes beyond those that
	// were recorded.
	moreBytes = 256 << 10
	// spareBytes is how many of these all connections take together.
	spareBytes = 4 << 20
	// maxDetails is how many differences a result shows in full.
	maxDetails = 20
)

// A Recording is recorded traffic. It can be played once.
type Recording struct {
	Size int // length of its lines, in bytes

	prefix      string     // of the reply channels
	messages    []*message // in the order in which they were sent
	connections []*connection
	result      api.Playback
	lost        time.Duration // spent on waiting for missing replies

	layer  asgi.Layer
	groups asgi.Groups // nil if the layer has none

	mu      sync.Mutex // guards spare, and overdue, got, room and gone of all connections
	spare   int        // bytes of replies that may come beyond the recorded ones
	byName  map[string]*connection
	arrived chan struct{} // capacity 1; a reply came, or a connection is gone
}

// Play plays the recording through a layer, at the recorded speed or at full
// speed. It calls report at the start, with the progress, and with the result.
// The result is not Finished if the context ended first.
func (p *Recording) Play(ctx context.Context, layer asgi.Layer, fullSpeed bool, report func(api.Playback)) error {
	p.layer = layer
	p.groups, _ = asgi.As[asgi.Groups](layer)
	unbind, err := layer.Bind(p.prefix, p.deliver)
	if err != nil {
		return err
	}
	defer unbind()
	report(p.result)
	start := time.Now()
	if err := p.sendAll(ctx, fullSpeed, report); err == nil {
		p.settle(ctx)
		p.compare()
		p.result.Finished, p.result.TookMS = true, api.Milliseconds(time.Since(start))
	}
	p.disconnect(ctx)
	report(p.result)
	return nil
}

func (p *Recording) deliver(d asgi.Delivery) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.byName[d.Channel]
	if c == nil || c.gone {
		return asgi.ErrGone
	}
	if d.Probe {
		return nil
	}
	if !p.takeRoomLocked(c, d.Message.Footprint()) {
		c.gone = true
		p.wake()
		return asgi.ErrGone
	}
	c.got = append(c.got, d.Message)
	p.wake()
	return nil
}

// wake makes await look at the replies.
func (p *Recording) wake() {
	select {
	case p.arrived <- struct{}{}:
	default:
	}
}

// takeRoomLocked reports whether a connection may take a reply of that size.
func (p *Recording) takeRoomLocked(c *connection, size int) bool {
	more := min(size, max(0, size-(c.room-moreBytes))) // the part beyond the recorded replies
	if size > c.room || more > p.spare {
		return false
	}
	c.room -= size
	p.spare -= more
	return true
}

// sendAll sends the messages from clients, each after the replies that were
// recorded before it and, unless at full speed, after the recorded delay.
func (p *Recording) sendAll(ctx context.Context, fullSpeed bool, report func(api.Playback)) error {
	start, reported := time.Now(), time.Now()
	var waiting []*connection // with replies since the last sent message
	for _, m := range p.messages {
		if m.isReply() {
			m.connection.expected++
			waiting = append(waiting, m.connection)
			continue
		}
		if !fullSpeed {
			due := start.Add(time.Duration((m.Sent - p.messages[0].Sent) * float64(time.Millisecond)))
			if err := sleep(ctx, time.Until(due)); err != nil {
				return err
			}
		}
		if err := p.await(ctx, waiting); err != nil {
			return err
		}
		waiting = waiting[:0]
		if err := p.send(ctx, m); err != nil {
			return err
		}
		p.result.Done++
		if time.Since(reported) >= reportEvery {
			reported = time.Now()
			report(p.result)
		}
	}
	return nil
}

// await waits until the connections have their expected replies or no more
// replies come.
func (p *Recording) await(ctx context.Context, waiting []*connection) error {
	for !p.replied(waiting) && p.lost < maxLost {
		select {
		case <-p.arrived:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(replyTimeout):
			p.lost += replyTimeout
			p.mu.Lock()
			for _, c := range waiting {
				c.overdue = c.overdue || len(c.got) < c.expected
			}
			p.mu.Unlock()
		}
	}
	return nil
}

func (p *Recording) replied(waiting []*connection) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range waiting {
		if !c.overdue && !c.gone && len(c.got) < c.expected {
			return false
		}
	}
	return true
}

// send sends one message. If the channel is full it tries again, because a
// recording is played in full.
func (p *Recording) send(ctx context.Context, m *message) error {
	content, err := m.content.With(asgi.KeyReplyChannel, m.connection.played)
	if err != nil {
		return err
	}
	cause := asgi.NewCause(asgi.NewTrace())
	if m.Channel == asgi.WebSocketDisconnect { // as the protocol server does
		p.leaveGroups(ctx, m.connection)
	}
	for {
		err := p.layer.Send(ctx, cause, m.Channel, content, asgi.Volatile)
		switch {
		case !errors.Is(err, asgi.ErrChannelFull):
			return err
		case m.Channel == asgi.HTTPDisconnect: // as the protocol server does
			return nil
		}
		if err := sleep(ctx, 5*time.Millisecond); err != nil {
			return err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(max(d, 0))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// settle waits for the last expected replies, and a moment for further ones.
func (p *Recording) settle(ctx context.Context) {
	if p.await(ctx, p.connections) == nil {
		_ = sleep(ctx, extraTime)
	}
}

func (p *Recording) compare() {
	p.mu.Lock()
	defer p.mu.Unlock()
	names := p.names()
	for _, c := range p.connections {
		diff := compare(c.lines(c.want), c.gotLines(), names)
		if diff == nil {
			p.result.Same++
			continue
		}
		p.result.Different++
		if len(p.result.Details) < maxDetails {
			p.result.Details = append(p.result.Details, api.Difference{What: c.what, Diff: diff})
		}
	}
}

// names returns a replacer that gives the recorded and the present reply
// channel of a connection the same name.
func (p *Recording) names() *strings.Replacer {
	var pairs []string
	for i, c := range p.connections {
		name := fmt.Sprintf("<connection %d>", i+1)
		pairs = append(pairs, c.recorded, name, c.played, name)
	}
	return strings.NewReplacer(pairs...)
}

// disconnect closes the WebSockets that are still open in the recording.
func (p *Recording) disconnect(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	for _, c := range p.connections {
		if c.socket && !c.ended {
			m := asgi.MustMessage(asgi.Field{Key: asgi.KeyReplyChannel, Value: c.played}, asgi.Field{Key: asgi.KeyPath, Value: c.path},
				asgi.Field{Key: asgi.KeyCode, Value: 1006}, asgi.Field{Key: asgi.KeyOrder, Value: c.inputs})
			_ = p.layer.Send(ctx, asgi.NewCause(asgi.NewTrace()), asgi.WebSocketDisconnect, m, asgi.Volatile)
		}
		p.leaveGroups(ctx, c)
	}
}

func (p *Recording) leaveGroups(ctx context.Context, c *connection) {
	if p.groups != nil {
		_ = p.groups.GroupLeave(ctx, nil, c.played)
	}
}
