package asgitest

import (
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"asgibox/asgi"
)

var needState = []string{asgi.ExtState}

var state = []promise{
	{name: "a set value is found with its type", needs: needState, check: func(r *rig) {
		for _, v := range []any{nil, true, int64(1), 1.0, "text", asgi.Bytes("bytes"), list(1, "a"), number(1).Dict} {
			r.set("k", v)
			r.holds("k", v)
		}
	}},
	{name: "nil is a value and differs from no value", needs: needState, check: func(r *rig) {
		r.absent("k")
		r.set("k", nil)
		r.holds("k", nil)
	}},
	{name: "a deleted value is absent and deleting it again does not fail", needs: needState, check: func(r *rig) {
		r.set("k", int64(1))
		r.must(r.kv().Delete(r.ctx, nil, "k"))
		r.absent("k")
		r.must(r.kv().Delete(r.ctx, nil, "k"))
	}},
	{name: "a volatile value is found like others", needs: needState, check: func(r *rig) {
		r.must(r.kv().Set(r.ctx, nil, "k", "v", 0, asgi.Volatile))
		r.holds("k", "v")
		r.must(r.kv().Delete(r.ctx, nil, "k"))
		r.absent("k")
	}},
	{name: "a value expires after its time to live", needs: needState, check: func(r *rig) {
		r.must(r.kv().Set(r.ctx, nil, "k", "v", r.suite.scale(10*time.Second)))
		r.must(r.kv().Set(r.ctx, nil, "volatile", "v", r.suite.scale(10*time.Second), asgi.Volatile))
		r.sleep(8 * time.Second)
		r.holds("k", "v")
		r.holds("volatile", "v")
		r.sleep(3 * time.Second)
		r.absent("k")
		r.absent("volatile")
		r.keys("")
	}},
	{name: "setting a value again replaces its time to live", needs: needState, check: func(r *rig) {
		r.must(r.kv().Set(r.ctx, nil, "renewed", "v", r.suite.scale(10*time.Second)))
		r.must(r.kv().Set(r.ctx, nil, "ended", "v", r.suite.scale(10*time.Second)))
		r.sleep(8 * time.Second)
		r.must(r.kv().Set(r.ctx, nil, "renewed", "v", r.suite.scale(10*time.Second)))
		r.set("ended", "v")
		r.sleep(8 * time.Second)
		r.holds("renewed", "v")
		r.holds("ended", "v")
	}},
	{name: "incr adds to an integer or to none and is atomic", needs: needState, check: func(r *rig) {
		r.sum("n", 5, 5)
		r.sum("n", -2, 3)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 25 {
					if _, err := r.kv().Incr(r.ctx, nil, "n", 1); err != nil {
						r.Error(err)
					}
				}
			})
		}
		wg.Wait()
		r.holds("n", int64(203))
	}},
	{name: "incr fails with a wrong type if there is no integer or it overflows", needs: needState, check: func(r *rig) {
		for _, v := range []any{"1", 1.0, nil, int64(math.MaxInt64)} {
			r.set("k", v)
			_, err := r.kv().Incr(r.ctx, nil, "k", 1)
			r.fails("incr", err, asgi.ErrWrongType)
			r.holds("k", v)
		}
		r.set("k", int64(math.MinInt64))
		_, err := r.kv().Incr(r.ctx, nil, "k", -1)
		r.fails("incr", err, asgi.ErrWrongType)
	}},
	{name: "append adds to the end and keeps only the newest items", needs: needState, check: func(r *rig) {
		for i, want := range []asgi.List{list(0), list(0, 1), list(0, 1, 2), list(1, 2, 3), list(2, 3, 4)} {
			got, err := r.kv().Append(r.ctx, nil, "l", int64(i), 3)
			r.must(err)
			if !asgi.Equal(got, want) {
				r.Errorf("after %d appends: %v", i+1, got)
			}
		}
		r.holds("l", list(2, 3, 4))
		_, err := r.kv().Append(r.ctx, nil, "l", asgi.Bytes("b"), 0)
		r.must(err)
		r.holds("l", list(2, 3, 4, asgi.Bytes("b")))
	}},
	{name: "append fails with a wrong type if there is no list", needs: needState, check: func(r *rig) {
		r.set("k", "text")
		_, err := r.kv().Append(r.ctx, nil, "k", int64(1), 0)
		r.fails("append", err, asgi.ErrWrongType)
		r.holds("k", "text")
	}},
	{name: "keys returns the keys with the prefix, sorted", needs: needState, check: func(r *rig) {
		for _, k := range []string{"b/2", "a", "b/10", "b/1", "ü", "b"} {
			r.set(k, int64(1))
		}
		r.keys("b/", "b/1", "b/10", "b/2")
		r.keys("", "a", "b", "b/1", "b/10", "b/2", "ü")
		r.keys("c")
	}},
	{name: "swap sets a value only if it equals the old one", needs: needState, check: func(r *rig) {
		r.swap("k", "old", "new", false)
		r.swap("k", asgi.Absent, "old", true)
		r.swap("k", asgi.Absent, "again", false)
		r.swap("k", asgi.Bytes("old"), "new", false)
		r.swap("k", "old", int64(1), true)
		r.swap("k", 1.0, "new", false)
		r.holds("k", int64(1))
		r.swap("k", int64(1), asgi.Absent, true)
		r.absent("k")
		r.swap("k", asgi.Absent, asgi.Absent, true)
		r.swap("k", nil, "new", false)
		r.set("l", list(1, "a"))
		r.swap("l", list(1, "a"), "new", true)
	}},
	{name: "of concurrent swaps one succeeds", needs: needState, check: func(r *rig) {
		r.set("n", int64(0))
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 10 {
					r.swapUp("n")
				}
			})
		}
		wg.Wait()
		r.holds("n", int64(80))
	}},
	{name: "incr, append and swap do not change the time to live", needs: needState, check: func(r *rig) {
		r.must(r.kv().Set(r.ctx, nil, "n", int64(1), r.suite.scale(10*time.Second)))
		r.must(r.kv().Set(r.ctx, nil, "s", "old", r.suite.scale(10*time.Second)))
		r.must(r.kv().Set(r.ctx, nil, "l", list(1), r.suite.scale(10*time.Second)))
		r.sleep(5 * time.Second)
		r.sum("n", 1, 2)
		r.swap("s", "old", "new", true)
		_, err := r.kv().Append(r.ctx, nil, "l", int64(2), 0)
		r.must(err)
		r.sleep(6 * time.Second)
		r.absent("n")
		r.absent("s")
		r.absent("l")
	}},
	{name: "keys are text of 1 to 1024 bytes", needs: needState, check: func(r *rig) {
		long := strings.Repeat("ü", 512)
		r.set(long, int64(1))
		r.holds(long, int64(1))
		r.set("any text! ?\n", int64(2))
		r.holds("any text! ?\n", int64(2))
		for _, key := range []string{"", long + "k", "\xff"} {
			if err := r.kv().Set(r.ctx, nil, key, int64(1), 0); err == nil {
				r.Errorf("a key of %d bytes (%.4q…) was accepted", len(key), key)
			}
		}
	}},
	{name: "a value may be as large as a message", needs: needState, setup: Setup{MaxMessage: 10_000}, check: func(r *rig) {
		limit := 10_000 + asgi.MessageOverhead
		r.set("k", sized(limit).Dict)
		r.fails("set", r.kv().Set(r.ctx, nil, "k", sized(limit+1).Dict, 0), asgi.ErrMessageTooLarge)
		r.holds("k", sized(limit).Dict)
	}},
	{name: "a reader's barrier covers the value's write", needs: needState, check: func(r *rig) {
		writer, reader := asgi.NewCause(1), asgi.NewCause(2)
		r.must(r.kv().Set(r.ctx, writer, "k", "v", 0))
		_, _, err := r.kv().Get(r.ctx, reader, "k")
		r.must(err)
		r.must(reader.Barrier().Wait(r.ctx))
		if !writer.Barrier().Passed() {
			r.Error("the reader's barrier passed before the writer's")
		}
	}},
}

func (r *rig) kv() asgi.KV { return extension[asgi.KV](r) }

func (r *rig) set(key string, v any) {
	r.Helper()
	r.must(r.kv().Set(r.ctx, nil, key, v, 0))
}

func (r *rig) holds(key string, want any) {
	r.Helper()
	got, ok, err := r.kv().Get(r.ctx, nil, key)
	r.must(err)
	if !ok || !asgi.Equal(got, want) {
		r.Errorf("%.20q holds %v (found: %v), want %v", key, got, ok, want)
	}
}

func (r *rig) absent(key string) {
	r.Helper()
	got, ok, err := r.kv().Get(r.ctx, nil, key)
	r.must(err)
	if ok {
		r.Errorf("%.20q holds %v, want nothing", key, got)
	}
}

func (r *rig) keys(prefix string, want ...string) {
	r.Helper()
	got, err := r.kv().Keys(r.ctx, nil, prefix)
	r.must(err)
	if !slices.Equal(got, want) {
		r.Errorf("keys with %q are %q, want %q", prefix, got, want)
	}
}

func (r *rig) sum(key string, n, want int64) {
	r.Helper()
	got, err := r.kv().Incr(r.ctx, nil, key, n)
	r.must(err)
	if got != want {
		r.Errorf("the sum is %d, want %d", got, want)
	}
}

func (r *rig) swap(key string, old, new any, want bool) {
	r.Helper()
	got, err := r.kv().Swap(r.ctx, nil, key, old, new)
	r.must(err)
	if got != want {
		r.Errorf("swap %v for %v: %v, want %v", old, new, got, want)
	}
}

// swapUp adds one to an integer by compare and swap.
func (r *rig) swapUp(key string) {
	for done := false; !done; {
		v, _, err := r.kv().Get(r.ctx, nil, key)
		if err != nil {
			r.Error(err)
			return
		}
		if done, err = r.kv().Swap(r.ctx, nil, key, v, v.(int64)+1); err != nil {
			r.Error(err)
			return
		}
	}
}

func list(items ...any) asgi.List {
	l, err := asgi.NewList(items...)
	if err != nil {
		panic(err)
	}
	return l
}
