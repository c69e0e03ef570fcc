package httpfront

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/asgi"
)

// roomy is a layer whose refused senders wait until there is room.
type roomy struct {
	*fakeLayer
	asgi.Acceptors // nil: only SendWhenRoom is called
	room           chan struct{}
	paused         bool // senders have patience as long as the test
}

func (r *roomy) SendWhenRoom(ctx context.Context, c *asgi.Cause, patience time.Duration, channel string, m asgi.Message, opts ...asgi.SendOption) error {
	if err := r.Send(ctx, c, channel, m, opts...); err == nil {
		return nil
	}
	var late <-chan time.Time
	if !r.paused {
		late = time.After(patience)
	}
	select {
	case <-late:
		return asgi.ErrChannelFull
	case <-r.room:
		return r.Send(ctx, c, channel, m, opts...)
	case <-ctx.Done():
		return asgi.ErrChannelFull
	}
}

// openFull opens a socket whose frames find no room.
func openFull(t *testing.T) (*memServer, *roomy, *client, *application) {
	s := newMemServer(t, Options{})
	r := &roomy{fakeLayer: s.layer, room: make(chan struct{}), paused: true}
	s.front.acceptors = r
	c, app := s.open()
	s.layer.setFull("websocket.receive", true)
	c.frames(text("a"))
	return s, r, c, app
}

// TestAFrameThatWaitsForRoomKeepsItsSocketOpen checks that the socket is not
// closed because its pongs are not read.
func TestAFrameThatWaitsForRoomKeepsItsSocketOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, r, c, app := openFull(t)
		time.Sleep(605 * time.Second) // websocket.receive is paused
		s.layer.setFull("websocket.receive", false)
		r.room <- struct{}{}
		if m := s.next("websocket.receive"); m.Text("text") != "a" {
			t.Errorf("got %v", m)
		}
		app.reply(msg{"text": "b"})
		c.gets(text("b"))
	})
}

// TestSendersLearnThatTheClientHasLeftWhileItsFrameWaits checks that a failed write
// ends the handlers of a client whose input is not read.
func TestSendersLearnThatTheClientHasLeftWhileItsFrameWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, r, c, app := openFull(t)
		synctest.Wait()
		c.Close()
		app.reply(msg{"text": "b"}) // its write fails
		synctest.Wait()
		d := asgi.Delivery{Channel: app.channel, Message: fields(t, msg{"text": "c"})}
		if err := s.front.deliver(d); err != asgi.ErrGone {
			t.Errorf("a further message: %v", err)
		}
		s.layer.setFull("websocket.receive", false)
		r.room <- struct{}{}
		s.next("websocket.receive")
		app.disconnected(1006, 2)
	})
}

// TestTheServerClosesASocketWhoseFrameWaitsForRoom checks that it does so at
// once, and that the frame does not count.
func TestTheServerClosesASocketWhoseFrameWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, _, c, app := openFull(t)
		synctest.Wait()
		started := time.Now()
		app.reply(msg{"close": 4001})
		c.gets(closeFrame(4001, ""))
		c.frames(closeFrame(4001, ""))
		app.disconnected(4001, 1)
		if d := time.Since(started); d > 0 {
			t.Errorf("it took %v", d)
		}
	})
}
