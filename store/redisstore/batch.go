package redisstore

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"asgibox/asgi"
)

const (
	batchFlights = 2   // pipelines of a host that are under way at once
	batchLength  = 128 // commands of a pipeline
)

// kindPutBack is the kind of calls that are made even while the layer is being
// closed.
const kindPutBack = "putback"

// batch runs the calls of many goroutines in pipelines: a call joins those that
// wait while others are under way. The goroutine of the first call that waits
// runs the next pipeline, so there is no goroutine that must be woken.
type batch struct {
	host *host

	mu      sync.Mutex // guards the rest
	flights int
	waiting []*operation
}

// An operation is one command, or some that are run in a row.
type operation struct {
	kind    string
	scripts []*script // of the commands that are scripts, by index
	cmds    []*redis.Cmd
	bytes   int       // of the arguments
	lead    chan bool // true: run a pipeline, whose first operation is this one; false: it is done
	leads   bool      // it has got true; guarded by the mutex of the batch
}

// do runs a command and returns its reply.
func (h *host) do(ctx context.Context, kind string, args ...any) (any, error) {
	op := &operation{kind: kind}
	op.add(nil, args...)
	if err := h.run(ctx, op); err != nil {
		return nil, err
	}
	return reply(h, op.cmds[0])
}

// eval runs a script and returns its reply.
func (h *host) eval(ctx context.Context, kind string, s *script, keys []string, args ...any) (any, error) {
	op := &operation{kind: kind}
	op.eval(s, keys, args...)
	if err := h.run(ctx, op); err != nil {
		return nil, err
	}
	return reply(h, op.cmds[0])
}

// reply returns the reply of a command. A missing value is nil.
func reply(h *host, cmd *redis.Cmd) (any, error) {
	v, err := cmd.Result()
	if err == redis.Nil {
		return nil, nil
	}
	return v, h.failed(err)
}

func (op *operation) add(s *script, args ...any) {
	op.scripts = append(op.scripts, s)
	op.cmds = append(op.cmds, redis.NewCmd(context.Background(), args...))
	for _, arg := range args {
		switch arg := arg.(type) {
		case string:
			op.bytes += len(arg)
		case []byte:
			op.bytes += len(arg)
		}
	}
}

func (op *operation) eval(s *script, keys []string, args ...any) {
	all := make([]any, 0, 3+len(keys)+len(args))
	all = append(all, "evalsha", s.hash, len(keys))
	for _, key := range keys {
		all = append(all, key)
	}
	op.add(s, append(all, args...)...)
}

// run runs an operation. It fails only if Redis was not asked, or if ctx ended
// while it was asked; errors of Redis are those of the commands.
func (h *host) run(ctx context.Context, op *operation) error {
	if err := h.layer.closing(); err != nil && op.kind != kindPutBack {
		return err
	}
	if err := h.gone(); err != nil {
		return err
	}
	b := &h.batch
	op.lead = make(chan bool, 1)
	b.mu.Lock()
	b.waiting = append(b.waiting, op)
	if b.flights < batchFlights {
		b.flights++
		b.promoteLocked()
	}
	b.mu.Unlock()
	select {
	case lead := <-op.lead:
		if lead {
			b.fly(op)
		}
	case <-ctx.Done():
		if b.leave(op) {
			return context.Cause(ctx)
		}
		if lead := <-op.lead; lead {
			b.fly(op)
		}
	}
	return nil
}

// leave removes an operation that has not begun, and reports whether it did.
func (b *batch) leave(op *operation) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.Index(b.waiting, op)
	if i < 0 || op.leads {
		return false
	}
	b.waiting = slices.Delete(b.waiting, i, i+1)
	return true
}

// promoteLocked lets the first operation that waits run a pipeline, or ends a
// flight if there is none.
func (b *batch) promoteLocked() {
	for _, op := range b.waiting {
		if !op.leads {
			op.leads = true
			op.lead <- true
			return
		}
	}
	b.flights--
}

// fly runs a pipeline of an operation and those that wait behind it, and hands
// over to the next one.
func (b *batch) fly(op *operation) {
	b.mu.Lock()
	first := slices.Index(b.waiting, op)
	end, commands, bytes := first, 0, 0
	for end < len(b.waiting) && commands < batchLength && (end == first || !b.waiting[end].leads) {
		next := b.waiting[end]
		if bytes += next.bytes; end > first && bytes > pipelineBytes {
			break
		}
		commands += len(next.cmds)
		end++
	}
	ops := slices.Clone(b.waiting[first:end])
	b.waiting = slices.Delete(b.waiting, first, end)
	b.mu.Unlock()

	b.host.pipeline(ops)

	b.mu.Lock()
	b.promoteLocked()
	b.mu.Unlock()
	for _, other := range ops[1:] {
		other.lead <- false
	}
}

// pipeline runs operations. Scripts that Redis does not know are loaded and run
// again; the others have been run.
func (h *host) pipeline(ops []*operation) {
	started := time.Now()
	var all, missing []*redis.Cmd
	scripts := map[*script]bool{}
	for _, op := range ops {
		all = append(all, op.cmds...)
	}
	h.exec(all)
	for _, op := range ops {
		for i, cmd := range op.cmds {
			if op.scripts[i] != nil && lacksScript(cmd.Err()) {
				missing, scripts[op.scripts[i]] = append(missing, cmd), true
			}
		}
	}
	if len(missing) > 0 {
		var again []*redis.Cmd
		for s := range scripts {
			again = append(again, redis.NewCmd(context.Background(), "script", "load", s.text))
		}
		for _, cmd := range missing {
			cmd.SetErr(nil)
		}
		h.exec(append(again, missing...))
	}
	took := time.Since(started)
	for _, op := range ops {
		h.layer.opts.Observe(op.kind, took, firstError(op.cmds))
	}
}

func (h *host) exec(cmds []*redis.Cmd) {
	pipe := h.client.Pipeline()
	for _, cmd := range cmds {
		_ = pipe.Process(context.Background(), cmd) // only queues it
	}
	_, _ = pipe.Exec(context.Background()) // each command has its error
}

func firstError(cmds []*redis.Cmd) error {
	for _, cmd := range cmds {
		if err := cmd.Err(); err != nil && err != redis.Nil {
			return err
		}
	}
	return nil
}

// full returns err as the error of a send to a channel.
func full(channel string, err error) error {
	if err == errOutOfMemory {
		return &asgi.ChannelFullError{Channel: channel, Reason: "Redis has reached maxmemory"}
	}
	return err
}
