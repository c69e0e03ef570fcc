package asgitest

import (
	"time"

	"asgibox/asgi"
)

var needFlush = []string{asgi.ExtFlush}

var flushing = []promise{
	{name: "a flush removes all queued messages", needs: needFlush, check: func(r *rig) {
		r.send("c", 1, 2)
		r.send("body?x", 1)
		r.send("reply!x", 1)
		r.flush()
		r.none("c", "body?x", "reply!")
	}},
	{name: "a flush removes all groups", needs: append([]string{asgi.ExtGroups}, needFlush...), check: func(r *rig) {
		r.add("g", "a", "reply!x")
		r.flush()
		r.members("g")
		r.sendGroup("g", 1)
		r.none("a", "reply!")
	}},
	{name: "a flush removes all delayed messages", needs: append([]string{asgi.ExtDelay}, needFlush...), check: func(r *rig) {
		r.later(time.Second, "c", 1)
		r.flush()
		r.sleep(2 * time.Second)
		r.none("c")
	}},
	{name: "waiting readers continue to wait after a flush", needs: needFlush, check: func(r *rig) {
		p := r.park("c", "reply!")
		r.flush()
		p.waits()
		r.send("c", 1)
		p.wants(1)
	}},
	{name: "bound functions stay bound after a flush", needs: needFlush, check: func(r *rig) {
		m, _ := r.bind("reply!")
		r.send("reply!x", 1)
		r.settle()
		r.flush()
		r.send("reply!x", 2)
		r.delivered(m, "reply!x", 1, 2)
	}},
	{name: "a flush makes room", needs: append([]string{OneQueue}, needFlush...), setup: capacityThree, check: func(r *rig) {
		r.fill("c", 10)
		r.flush()
		r.send("c", 1, 2, 3)
		r.fails("send", r.trySend("c", 4), asgi.ErrChannelFull)
		r.wants("c", 1, 2, 3)
	}},
	{name: "a flush keeps the state", needs: append([]string{asgi.ExtState}, needFlush...), check: func(r *rig) {
		r.must(r.kv().Set(r.ctx, nil, "k", int64(1), 0))
		r.flush()
		r.holds("k", int64(1))
	}},
	{name: "flushing an empty layer does not fail", needs: needFlush, check: func(r *rig) {
		r.flush()
		r.flush()
	}},
}

func (r *rig) flush() {
	r.Helper()
	r.must(extension[asgi.Flusher](r).Flush(r.ctx, nil))
}
