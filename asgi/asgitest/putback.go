package asgitest

import (
	"time"

	"asgibox/asgi"
)

var needPutBack = []string{asgi.ExtPutBack}

var puttingBack = []promise{
	{name: "a message that is put back comes first again", needs: append([]string{OneQueue}, needPutBack...), check: func(r *rig) {
		for _, channel := range []string{"c", "body?x"} {
			r.send(channel, 1, 2, 3)
			r.putBack(r.poll(channel))
			r.wants(channel, 1, 2, 3)
		}
		r.send("reply!x", 1, 2)
		r.putBack(r.poll("reply!"))
		r.wants("reply!", 1, 2)
	}},
	{name: "a message that is put back is the same delivery", needs: append([]string{Envelope}, needPutBack...), check: func(r *rig) {
		r.must(r.Send(r.ctx, asgi.NewCause(7), "c", number(1), asgi.Volatile))
		first := r.poll("c")
		r.putBack(first)
		again := r.poll("c")
		if again.Trace != first.Trace || again.Volatile != first.Volatile || !again.Deadline.Equal(first.Deadline) || again.Channel != first.Channel {
			r.Errorf("it was %+v and is now %+v", first, again)
		}
	}},
	{name: "a waiting reader receives a message that is put back", needs: needPutBack, check: func(r *rig) {
		r.send("c", 1)
		d := r.poll("c")
		p := r.park("c")
		r.putBack(d)
		p.wants(1)
	}},
	{name: "a message that is put back keeps its deadline", needs: needPutBack, setup: tenSeconds, check: func(r *rig) {
		r.send("c", 1)
		r.sleep(6 * time.Second)
		r.putBack(r.poll("c"))
		r.sleep(5 * time.Second)
		r.none("c")
	}},
	{name: "a message can be put back into a full channel", needs: append([]string{OneQueue}, needPutBack...), setup: capacityThree, check: func(r *rig) {
		r.fill("c", 10)
		d := r.poll("c")
		r.send("c", 3)
		r.putBack(d)
		r.wants("c", 0, 1, 2, 3)
	}},
}

func (r *rig) putBack(d asgi.Delivery) {
	r.Helper()
	r.must(extension[asgi.PutBack](r).PutBack(d))
}
