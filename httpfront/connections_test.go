package httpfront

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestConnectionsCountTheirTraffic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		c, app := s.open()
		c.frames(text("four"), binaryFrame("\xff"))
		s.next("websocket.receive")
		s.next("websocket.receive")
		app.reply(msg{"text": "three"})
		c.gets(text("three"))
		time.Sleep(time.Minute / 10)
		views, all := s.front.Connections(10)
		if all != 1 || len(views) != 1 {
			t.Fatalf("%d connections: %+v", all, views)
		}
		v := views[0]
		if v.Channel != app.channel || v.Path != "/ws" || v.Waiting || v.Client != "192.0.2.7:4711" ||
			v.FramesIn != 2 || v.BytesIn != 5 || v.FramesOut != 1 || v.BytesOut != 5 || v.Mailbox != 0 {
			t.Errorf("it looks like %+v", v)
		}
		if views, all := s.front.Connections(0); all != 1 || views != nil {
			t.Errorf("counting: %d, %+v", all, views)
		}
	})
}

func TestCloseConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		c, app := s.open()
		if err := s.front.CloseConnection(app.channel, 1006, ""); err == nil {
			t.Error("a code that may not be sent was accepted")
		}
		if err := s.front.CloseConnection("unknown!x", 1000, ""); err == nil {
			t.Error("there is no such connection")
		}
		if err := s.front.CloseConnection(app.channel, 4001, "by hand"); err != nil {
			t.Fatal(err)
		}
		c.gets(closeFrame(4001, "by hand"))
		c.frames(closeFrame(4001, ""))
		app.disconnected(4001, 1)
	})
}

func TestEventNamesTheSideThatEndedASocket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		for _, end := range []struct {
			code int
			by   string
			how  func(c *client, app *application)
		}{
			{4001, "client", func(c *client, app *application) { c.frames(closeFrame(4001, "")) }},
			{4001, "application", func(c *client, app *application) { app.reply(msg{"close": 4001}) }},
			{4001, "hand", func(c *client, app *application) {
				if err := s.front.CloseConnection(app.channel, 4001, ""); err != nil {
					t.Error(err)
				}
			}},
			{1007, "server", func(c *client, app *application) { c.frames(frame{0x81, "\xff"}) }},
			{1006, "", func(c *client, app *application) { c.Close() }},
		} {
			c, app := s.open()
			end.how(c, app)
			if end.code != 1006 {
				c.gets(closeFrame(end.code, map[int]string{1007: "text that is not UTF-8"}[end.code]))
				c.frames(closeFrame(end.code, ""))
			}
			for e := range s.seen {
				if e.Kind != SocketDisconnected {
					continue
				}
				if e.Status != end.code || e.By != end.by {
					t.Errorf("%d by %q was reported as %d by %q", end.code, end.by, e.Status, e.By)
				}
				break
			}
		}
	})
}
