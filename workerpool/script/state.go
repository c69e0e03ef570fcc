package script

import (
	"context"
	"fmt"

	"asgibox/asgi"
	"asgibox/workerpool/script/value"

	"go.starlark.net/starlark"
)

// stateObject returns the script's state.
func stateObject() *object {
	return &object{name: "state", attrs: functions("state", map[string]builtin{
		"get": stateGet, "set": stateSet, "delete": stateDelete, "incr": stateIncr,
		"update": stateUpdate, "append": stateAppend, "keys": stateKeys,
	})}
}

// kv returns the layer's store for state and sessions.
func (r *run) kv(call string) (asgi.KV, error) {
	l, err := r.layer(call)
	if err != nil {
		return nil, err
	}
	return asgi.OrUnsupported[asgi.KV](l), nil
}

// storable converts a value for the store. It passes the value to the job,
// because another handler can reply if the value contains the reply channel.
func (r *run) storable(v starlark.Value) (any, error) {
	limit := r.unit.loader.opts.Layer.Settings().MaxMessage + asgi.MessageOverhead
	stored, err := value.FromStarlark(v, limit)
	if err == nil && r.job != nil {
		r.job.NoteStored(stored)
	}
	return stored, err
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
	v, ok, err := kv.Get(r.ctx, r.cause(), asgi.StatePrefix+key)
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
	stored, err := r.storable(v)
	if err != nil {
		return nil, err
	}
	return v, kv.Set(r.ctx, r.cause(), asgi.StatePrefix+key, stored, 0)
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
	return starlark.None, kv.Delete(r.ctx, r.cause(), asgi.StatePrefix+key)
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
		return nil, fmt.Errorf("%s: n must be a 64-bit integer, not %s", b.Name(), value.Brief(n))
	}
	sum, err := kv.Incr(r.ctx, r.cause(), asgi.StatePrefix+key, by)
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
			return nil, fmt.Errorf("%s: keep must be the number of newest values to keep, at least 1, not %s", b.Name(), value.Brief(keep))
		}
	}
	stored, err := r.storable(v)
	if err != nil {
		return nil, err
	}
	list, err := kv.Append(r.ctx, r.cause(), asgi.StatePrefix+key, stored, newest)
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
	keys, err := kv.Keys(r.ctx, r.cause(), asgi.StatePrefix+prefix)
	if err != nil {
		return nil, err
	}
	list := make([]starlark.Value, len(keys))
	for i, key := range keys {
		list[i] = starlark.String(key[len(asgi.StatePrefix):])
	}
	return starlark.NewList(list), nil
}

// stateUpdate calls a function that computes a new value from the old one. It
// repeats the call if another handler changed the value meanwhile.
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
	first, err := r.storable(def)
	if err != nil {
		return nil, err
	}
	for r.ctx.Err() == nil {
		v, done, err := r.tryUpdate(kv, asgi.StatePrefix+key, fn, first)
		if done || err != nil {
			return v, err
		}
	}
	return nil, context.Cause(r.ctx)
}

// tryUpdate makes one attempt of stateUpdate and reports whether it succeeded.
func (r *run) tryUpdate(kv asgi.KV, key string, fn starlark.Value, def any) (v starlark.Value, done bool, err error) {
	old, ok, err := kv.Get(r.ctx, r.cause(), key)
	if err != nil {
		return nil, false, err
	}
	arg := old
	if !ok {
		old, arg = asgi.Absent, def
	}
	r.retryable = "state.update"
	v, err = r.call(fn, starlark.Tuple{value.ToStarlark(arg)}, nil)
	r.retryable = ""
	if err != nil {
		return nil, false, err
	}
	stored, err := r.storable(v)
	if err != nil {
		return nil, false, fmt.Errorf("the value that the function passed to state.update returned: %w", err)
	}
	done, err = kv.Swap(r.ctx, r.cause(), key, old, stored)
	return v, done, err
}
