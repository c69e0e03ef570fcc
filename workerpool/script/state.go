package script

import (
	"context"
	"fmt"

	"asgibox/asgi"
	"asgibox/workerpool/script/value"

	"go.starlark.net/starlark"
)

// statePrefix keeps the script's keys apart from others in the layer's [asgi.KV].
const statePrefix = "state/"

// stateObject makes the script's state.
func stateObject() *object {
	return &object{name: "state", attrs: functions("state", map[string]builtin{
		"get": stateGet, "set": stateSet, "delete": stateDelete, "incr": stateIncr,
		"update": stateUpdate, "append": stateAppend, "keys": stateKeys,
	})}
}

// kv answers where state and sessions are kept.
func (r *run) kv(call string) (asgi.KV, error) {
	l, err := r.layer(call)
	if err != nil {
		return nil, err
	}
	kv, ok := asgi.As[asgi.KV](l)
	if !ok {
		return nil, errNoState
	}
	return kv, nil
}

// keep makes a value fit to be kept and notes it: with the reply channel in it
// somebody else can answer.
func (r *run) keep(v starlark.Value) (any, error) {
	limit := r.unit.loader.opts.Layer.Settings().MaxMessage + asgi.MessageOverhead
	kept, err := value.FromStarlark(v, limit)
	if err == nil && r.job != nil {
		r.job.NoteStored(kept)
	}
	return kept, err
}

func stateGet(r *run, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var key string
	var def starlark.Value = starlark.None
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "key", &key, "default?", &def); err != nil {
		return nil, err
	}
	kv, err := r.kv(b.Name())
	if err != nil {
		return nil, err
	}
	v, ok, err := kv.Get(r.ctx, r.cause(), statePrefix+key)
	if err != nil {
		return nil, err
	}
	if !ok {
		return def, nil
	}
	return value.ToStarlark(v), nil
}

func stateSet(r *run, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var key string
	var v starlark.Value
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "key", &key, "value", &v); err != nil {
		return nil, err
	}
	kv, err := r.kv(b.Name())
	if err != nil {
		return nil, err
	}
	kept, err := r.keep(v)
	if err != nil {
		return nil, err
	}
	return v, kv.Set(r.ctx, r.cause(), statePrefix+key, kept, 0)
}

func stateDelete(r *run, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var key string
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "key", &key); err != nil {
		return nil, err
	}
	kv, err := r.kv(b.Name())
	if err != nil {
		return nil, err
	}
	return starlark.None, kv.Delete(r.ctx, r.cause(), statePrefix+key)
}

func stateIncr(r *run, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var key string
	n := starlark.MakeInt(1)
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "key", &key, "n?", &n); err != nil {
		return nil, err
	}
	kv, err := r.kv(b.Name())
	if err != nil {
		return nil, err
	}
	by, ok := n.Int64()
	if !ok {
		return nil, fmt.Errorf("%s: %v does not fit in 64 bits", b.Name(), n)
	}
	sum, err := kv.Incr(r.ctx, r.cause(), statePrefix+key, by)
	if err != nil {
		return nil, fmt.Errorf("%s(%q): %w", b.Name(), key, err)
	}
	return starlark.MakeInt64(sum), nil
}

func stateAppend(r *run, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var key string
	var v, keep starlark.Value
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "key", &key, "value", &v, "keep??", &keep); err != nil {
		return nil, err
	}
	kv, err := r.kv(b.Name())
	if err != nil {
		return nil, err
	}
	newest := 0
	if keep != nil {
		if newest, err = starlark.AsInt32(keep); err != nil || newest < 1 {
			return nil, fmt.Errorf("%s: keep is how many of the newest stay, at least 1", b.Name())
		}
	}
	kept, err := r.keep(v)
	if err != nil {
		return nil, err
	}
	list, err := kv.Append(r.ctx, r.cause(), statePrefix+key, kept, newest)
	if err != nil {
		return nil, fmt.Errorf("%s(%q): %w", b.Name(), key, err)
	}
	return value.ToStarlark(list), nil
}

func stateKeys(r *run, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var prefix string
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "prefix?", &prefix); err != nil {
		return nil, err
	}
	kv, err := r.kv(b.Name())
	if err != nil {
		return nil, err
	}
	keys, err := kv.Keys(r.ctx, r.cause(), statePrefix+prefix)
	if err != nil {
		return nil, err
	}
	list := make([]starlark.Value, len(keys))
	for i, key := range keys {
		list[i] = starlark.String(key[len(statePrefix):])
	}
	return starlark.NewList(list), nil
}

// stateUpdate has a function work out a new value from the old one, again if
// somebody else was quicker.
func stateUpdate(r *run, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var key string
	var fn starlark.Callable
	var def starlark.Value = starlark.None
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "key", &key, "fn", &fn, "default?", &def); err != nil {
		return nil, err
	}
	kv, err := r.kv(b.Name())
	if err != nil {
		return nil, err
	}
	first, err := r.keep(def)
	if err != nil {
		return nil, err
	}
	for r.ctx.Err() == nil {
		v, done, err := r.swap(kv, statePrefix+key, fn, first)
		if done || err != nil {
			return v, err
		}
	}
	return nil, context.Cause(r.ctx)
}

func (r *run) swap(kv asgi.KV, key string, fn starlark.Value, def any) (v starlark.Value, done bool, err error) {
	old, ok, err := kv.Get(r.ctx, r.cause(), key)
	if err != nil {
		return nil, false, err
	}
	given := old
	if !ok {
		old, given = asgi.Absent, def
	}
	r.inside = "state.update"
	v, err = r.call(fn, starlark.Tuple{value.ToStarlark(given)}, nil)
	r.inside = ""
	if err != nil {
		return nil, false, err
	}
	kept, err := r.keep(v)
	if err != nil {
		return nil, false, fmt.Errorf("what the function of state.update answered: %w", err)
	}
	done, err = kv.Swap(r.ctx, r.cause(), key, old, kept)
	return v, done, err
}
