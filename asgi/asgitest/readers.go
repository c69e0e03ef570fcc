package asgitest

import (
	"time"

	"asgibox/asgi"
)

var (
	needReaders = []string{asgi.ExtReaders}
	needUnread  = []string{asgi.ExtReaders, Unread}
)

var reading = []promise{
	{name: "a channel that was never read has no reader", needs: needUnread, check: func(r *rig) {
		r.send("c", 1)
		r.reader("c", false)
		r.reader("reply!x", false)
	}},
	{name: "a waiting receive is a reader", needs: needUnread, check: func(r *rig) {
		r.park("c", "reply!")
		r.reader("c", true)
		r.reader("reply!x", true)
		r.reader("d", false)
	}},
	{name: "a bound function is a reader of all channels with the prefix", needs: needUnread, check: func(r *rig) {
		_, unbind := r.bind("reply!")
		r.reader("reply!x", true)
		r.reader("reply!y", true)
		r.reader("other!x", false)
		unbind()
		r.sleep(61 * time.Second)
		if r.suite.bubble {
			r.reader("reply!x", false)
		}
	}},
	{name: "a channel of a bound prefix has no reader when its connection is gone", needs: append([]string{Push}, needReaders...), check: func(r *rig) {
		m, _ := r.bind("reply!")
		m.setResult("reply!gone", asgi.ErrGone)
		r.reader("reply!gone", false)
		r.reader("reply!here", true)
		r.reader("reply!", true)
		r.delivered(m, "reply!here")
	}},
	{name: "a poll within the expiry counts as a reader", needs: needUnread, setup: tenSeconds, check: func(r *rig) {
		r.none("c")
		r.reader("c", true)
		r.sleep(8 * time.Second)
		r.reader("c", true)
		r.sleep(3 * time.Second)
		r.reader("c", false)
	}},
	{name: "a receive that returned a message within the expiry counts as a reader", needs: needUnread, setup: tenSeconds, check: func(r *rig) {
		p := r.park("c")
		r.sleep(time.Minute)
		r.send("c", 1)
		p.wants(1)
		r.reader("c", true)
		r.sleep(11 * time.Second)
		r.reader("c", false)
	}},
}

func (r *rig) reader(channel string, want bool) {
	r.Helper()
	if got := extension[asgi.Readers](r).HasReader(channel); got != want {
		r.Errorf("%s has a reader: %v, want %v", channel, got, want)
	}
}
