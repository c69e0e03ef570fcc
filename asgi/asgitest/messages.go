package asgitest

import (
	"math"
	"strings"

	"asgibox/asgi"
)

var messages = []promise{
	{name: "every type of value is received as it was sent", check: func(r *rig) {
		m := asgi.MustMessage(
			asgi.Field{Key: "bytes", Value: asgi.Bytes("\x00\xff")},
			asgi.Field{Key: "text", Value: "\uffff\x00 ü 🙂"},
			asgi.Field{Key: "integers", Value: []any{0, -1, math.MaxInt64, math.MinInt64}},
			asgi.Field{Key: "floats", Value: []any{0.0, 1.0, -0.1, math.MaxFloat64, math.SmallestNonzeroFloat64}},
			asgi.Field{Key: "list", Value: []any{nil, []any{}, map[string]any{}}},
			asgi.Field{Key: "dict", Value: map[string]any{"": "empty key", "k": []any{true, false}}},
			asgi.Field{Key: "none", Value: nil},
		)
		r.must(r.Send(r.ctx, nil, "c", m))
		if got := r.poll("c").Message; !asgi.Equal(m, got) {
			r.Errorf("got %v, want %v", fields(got), fields(m))
		}
	}},
	{name: "a dict keeps the order of its keys", check: func(r *rig) {
		inner := asgi.Fields{{Key: "10", Value: 1}, {Key: "9", Value: 2}, {Key: "a", Value: 3}, {Key: "1", Value: 4}}
		m := asgi.MustMessage(asgi.Field{Key: "z", Value: 1}, asgi.Field{Key: "dict", Value: inner}, asgi.Field{Key: "list", Value: []any{inner}}, asgi.Field{Key: "a", Value: 2})
		r.must(r.Send(r.ctx, nil, "c", m))
		got := r.poll("c").Message
		dict, _ := got.Get("dict")
		list, _ := got.Get("list")
		first, _ := list.(asgi.List).At(0).(asgi.Dict)
		for _, d := range []struct {
			got  asgi.Dict
			want string
		}{{got.Dict, "z dict list a"}, {dict.(asgi.Dict), "10 9 a 1"}, {first, "10 9 a 1"}} {
			if keys := keysOf(d.got); keys != d.want {
				r.Errorf("the keys are %q, want %q", keys, d.want)
			}
		}
	}},
	{name: "byte strings and text stay different", check: func(r *rig) {
		m := asgi.MustMessage(asgi.Field{Key: "b", Value: asgi.Bytes("same")}, asgi.Field{Key: "t", Value: "same"})
		r.must(r.Send(r.ctx, nil, "c", m))
		got := r.poll("c").Message
		if b, _ := got.Get("b"); b != asgi.Bytes("same") {
			r.Errorf("the byte string was received as %T", b)
		}
		if t, _ := got.Get("t"); t != "same" {
			r.Errorf("the text was received as %T", t)
		}
	}},
	{name: "integers and floats stay different", check: func(r *rig) {
		r.must(r.Send(r.ctx, nil, "c", asgi.MustMessage(asgi.Field{Key: "i", Value: 1}, asgi.Field{Key: "f", Value: 1.0})))
		got := r.poll("c").Message
		i, _ := got.Get("i")
		f, _ := got.Get("f")
		if i != int64(1) || f != 1.0 {
			r.Errorf("got %T and %T", i, f)
		}
	}},
	{name: "an empty message can be sent", check: func(r *rig) {
		r.must(r.Send(r.ctx, nil, "c", asgi.Message{}))
		if got := r.poll("c").Message; got.Len() != 0 {
			r.Errorf("got %v", fields(got))
		}
	}},
	{name: "a sent message is a snapshot", check: func(r *rig) {
		content := []byte("before")
		list := []any{1}
		r.must(r.Send(r.ctx, nil, "c", asgi.MustMessage(asgi.Field{Key: "content", Value: content}, asgi.Field{Key: "list", Value: list})))
		copy(content, "after!")
		list[0] = "changed"
		got := r.poll("c").Message
		if l, _ := got.Get("list"); got.Bytes("content") != "before" || !asgi.Equal(l.(asgi.List).At(0), int64(1)) {
			r.Errorf("got %v", fields(got))
		}
	}},
	{name: "values may be nested 100 deep", check: func(r *rig) {
		var v any
		for range asgi.MaxDepth - 1 {
			v = []any{v}
		}
		m := asgi.MustMessage(asgi.Field{Key: "v", Value: v})
		r.must(r.Send(r.ctx, nil, "c", m))
		if got := r.poll("c").Message; !asgi.Equal(m, got) {
			r.Error("the received message differs")
		}
	}},
	{name: "a payload of max-message bytes can be sent", setup: Setup{MaxMessage: 10_000}, check: func(r *rig) {
		m := asgi.MustMessage(
			asgi.Field{Key: "reply_channel", Value: "reply!x"},
			asgi.Field{Key: "headers", Value: []any{[]any{asgi.Bytes("cookie"), asgi.Bytes(strings.Repeat("c", 60_000))}}},
			asgi.Field{Key: "content", Value: asgi.Bytes(strings.Repeat("\x80", 10_000))})
		r.must(r.Send(r.ctx, nil, "c", m))
		if got := r.poll("c").Message; !asgi.Equal(m, got) {
			r.Error("the received message differs")
		}
	}},
	{name: "a payload of 1 MiB can be sent by default", check: func(r *rig) {
		m := asgi.MustMessage(asgi.Field{Key: "text", Value: strings.Repeat("ä", 1<<19)})
		r.must(r.Send(r.ctx, nil, "c", m))
		if got := r.poll("c").Message; !asgi.Equal(m, got) {
			r.Error("the received message differs")
		}
	}},
	{name: "a message encoded longer than max-message plus 64 KiB is too large", setup: Setup{MaxMessage: 10_000}, check: func(r *rig) {
		limit := 10_000 + asgi.MessageOverhead
		m := sized(limit)
		r.must(r.Send(r.ctx, nil, "c", m))
		r.fails("send", r.Send(r.ctx, nil, "c", sized(limit+1)), asgi.ErrMessageTooLarge)
		r.fails("send to a process", r.Send(r.ctx, nil, "reply!c", sized(limit+1)), asgi.ErrMessageTooLarge)
		r.poll("c")
		r.none("c", "reply!")
	}},
	{name: "settings are those that the layer was opened with", setup: Setup{Capacity: 7, Expiry: 30e9, GroupExpiry: 300e9, MaxMessage: 10_000}, check: func(r *rig) {
		want := asgi.Settings{Expiry: r.setup.Expiry, GroupExpiry: r.setup.GroupExpiry, Capacity: 7, MaxMessage: 10_000}
		if got := r.Settings(); got != want {
			r.Errorf("settings are %+v, want %+v", got, want)
		}
	}},
	{name: "default settings are those of the specification", check: func(r *rig) {
		want := asgi.Settings{Expiry: 60e9, GroupExpiry: 86_400e9, Capacity: 1000, MaxMessage: 1 << 20}
		if got := r.Settings(); got != want {
			r.Errorf("settings are %+v, want %+v", got, want)
		}
	}},
}

// keysOf returns the keys of a dict in order.
func keysOf(d asgi.Dict) string {
	var keys []string
	for key := range d.All() {
		keys = append(keys, key)
	}
	return strings.Join(keys, " ")
}

// sized returns a message with an encoded length of n bytes, which must be more
// than 64 KiB.
func sized(n int) asgi.Message {
	empty := asgi.MustMessage(asgi.Field{Key: "content", Value: asgi.Bytes(strings.Repeat("x", 1<<16))}).Size() - 1<<16
	return asgi.MustMessage(asgi.Field{Key: "content", Value: asgi.Bytes(strings.Repeat("x", n-empty))})
}
