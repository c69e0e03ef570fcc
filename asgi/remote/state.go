package remote

import "asgibox/asgi"

// withState adds the calls for values: state/ for the state of applications,
// and kv/ for all values by their full keys, including sessions.
func withState(calls map[string]*call) map[string]*call {
	for name, c := range map[string]struct {
		keys []string
		do   func(w *work, kv asgi.KV, key string) (asgi.Fields, error)
	}{
		"get":    {[]string{"key", "default", "trace"}, stateGet},
		"set":    {[]string{"key", "value", "ttl", "volatile", "trace"}, stateSet},
		"delete": {[]string{"key", "trace"}, stateDelete},
		"incr":   {[]string{"key", "n", "trace"}, stateIncr},
		"append": {[]string{"key", "value", "keep", "trace"}, stateAppend},
		"swap":   {[]string{"key", "old", "new", "trace"}, stateSwap},
	} {
		for path, prefix := range map[string]string{"state/": asgi.StatePrefix, "kv/": ""} {
			calls[path+name] = &call{keys: c.keys, do: func(w *work) (asgi.Fields, error) {
				key := w.args.text("key")
				kv, err := extension[asgi.KV](w)
				if err != nil {
					return nil, err
				}
				return c.do(w, kv, prefix+key)
			}}
		}
	}
	calls["state/keys"] = keysCall(asgi.StatePrefix)
	calls["kv/keys"] = keysCall("")
	return calls
}

// keysCall returns the call for the keys that begin with prefix. It removes the
// prefix from the keys.
func keysCall(prefix string) *call {
	return &call{keys: []string{"prefix", "trace"}, bodyless: true, do: func(w *work) (asgi.Fields, error) {
		start := w.args.textOr("prefix", "")
		kv, err := extension[asgi.KV](w)
		if err != nil {
			return nil, err
		}
		keys, err := kv.Keys(w.ctx, w.cause, prefix+start)
		for i := range keys {
			keys[i] = keys[i][len(prefix):]
		}
		return asgi.Fields{{Key: "keys", Value: items(keys)}}, err
	}}
}

func value(v any) asgi.Fields { return asgi.Fields{{Key: "value", Value: v}} }

func stateGet(w *work, kv asgi.KV, key string) (asgi.Fields, error) {
	v, found, err := kv.Get(w.ctx, w.cause, key)
	if !found {
		v, _ = w.args.Get("default")
	}
	return append(value(v), asgi.Field{Key: "found", Value: found}), err
}

func stateSet(w *work, kv asgi.KV, key string) (asgi.Fields, error) {
	v, opts := w.args.value("value"), w.options()
	ttl, _ := w.args.seconds("ttl")
	if w.args.err != nil {
		return nil, w.args.err
	}
	return value(v), kv.Set(w.ctx, w.cause, key, v, ttl, opts...)
}

func stateDelete(w *work, kv asgi.KV, key string) (asgi.Fields, error) {
	return empty, kv.Delete(w.ctx, w.cause, key)
}

func stateIncr(w *work, kv asgi.KV, key string) (asgi.Fields, error) {
	n := w.args.integer("n", 1)
	if w.args.err != nil {
		return nil, w.args.err
	}
	sum, err := kv.Incr(w.ctx, w.cause, key, n)
	return value(sum), err
}

func stateAppend(w *work, kv asgi.KV, key string) (asgi.Fields, error) {
	v, keep := w.args.value("value"), w.args.integer("keep", 0)
	if given, _ := w.args.Get("keep"); given != nil && keep < 1 {
		w.args.invalid("keep", "an integer of at least 1")
	}
	if w.args.err != nil {
		return nil, w.args.err
	}
	l, err := kv.Append(w.ctx, w.cause, key, v, int(keep))
	return value(l), err
}

// stateSwap uses [asgi.Absent] for old or new if the argument is missing.
func stateSwap(w *work, kv asgi.KV, key string) (asgi.Fields, error) {
	orAbsent := func(name string) any {
		if v, given := w.args.Get(name); given {
			return v
		}
		return asgi.Absent
	}
	swapped, err := kv.Swap(w.ctx, w.cause, key, orAbsent("old"), orAbsent("new"))
	return asgi.Fields{{Key: "swapped", Value: swapped}}, err
}
