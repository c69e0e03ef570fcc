package remote

import "asgibox/asgi"

// statePrefix is where the shared state of applications lives among all
// values.
const statePrefix = "state/"

// withState adds the calls for values: for the shared state, and for all values
// by their whole keys, which sessions are made of.
func withState(calls map[string]*call) map[string]*call {
	for name, c := range map[string]struct {
		keys []string
		do   func(w *work, kv asgi.KV, prefix string) (asgi.Fields, error)
	}{
		"get":    {[]string{"key", "default", "trace"}, stateGet},
		"set":    {[]string{"key", "value", "ttl", "volatile", "trace"}, stateSet},
		"delete": {[]string{"key", "trace"}, stateDelete},
		"incr":   {[]string{"key", "n", "trace"}, stateIncr},
		"append": {[]string{"key", "value", "keep", "trace"}, stateAppend},
		"keys":   {[]string{"prefix", "trace"}, stateKeys},
		"swap":   {[]string{"key", "old", "new", "trace"}, stateSwap},
	} {
		for room, prefix := range map[string]string{"state/": statePrefix, "kv/": ""} {
			calls[room+name] = &call{keys: c.keys, bodyless: name == "keys", do: func(w *work) (asgi.Fields, error) {
				kv, err := extension[asgi.KV](w)
				if err != nil {
					return nil, err
				}
				return c.do(w, kv, prefix)
			}}
		}
	}
	return calls
}

func value(v any) asgi.Fields { return asgi.Fields{{Key: "value", Value: v}} }

func stateGet(w *work, kv asgi.KV, prefix string) (asgi.Fields, error) {
	key := w.args.text("key")
	if w.args.bad != nil {
		return nil, w.args.bad
	}
	v, found, err := kv.Get(w.ctx, w.cause, prefix+key)
	if !found {
		v, _ = w.args.get("default")
	}
	return append(value(v), asgi.Field{Key: "found", Value: found}), err
}

func stateSet(w *work, kv asgi.KV, prefix string) (asgi.Fields, error) {
	key, v := w.args.text("key"), w.args.value("value")
	ttl, _ := w.args.seconds("ttl")
	opts := w.options()
	if w.args.bad != nil {
		return nil, w.args.bad
	}
	return value(v), kv.Set(w.ctx, w.cause, prefix+key, v, ttl, opts...)
}

func stateDelete(w *work, kv asgi.KV, prefix string) (asgi.Fields, error) {
	key := w.args.text("key")
	if w.args.bad != nil {
		return nil, w.args.bad
	}
	return empty, kv.Delete(w.ctx, w.cause, prefix+key)
}

func stateIncr(w *work, kv asgi.KV, prefix string) (asgi.Fields, error) {
	key, n := w.args.text("key"), w.args.integer("n", 1)
	if w.args.bad != nil {
		return nil, w.args.bad
	}
	sum, err := kv.Incr(w.ctx, w.cause, prefix+key, n)
	return value(sum), err
}

func stateAppend(w *work, kv asgi.KV, prefix string) (asgi.Fields, error) {
	key, v, keep := w.args.text("key"), w.args.value("value"), w.args.integer("keep", 0)
	if w.args.bad != nil {
		return nil, w.args.bad
	}
	l, err := kv.Append(w.ctx, w.cause, prefix+key, v, int(keep))
	return value(l), err
}

func stateKeys(w *work, kv asgi.KV, prefix string) (asgi.Fields, error) {
	begin := w.args.textOr("prefix", "")
	if w.args.bad != nil {
		return nil, w.args.bad
	}
	keys, err := kv.Keys(w.ctx, w.cause, prefix+begin)
	for i := range keys {
		keys[i] = keys[i][len(prefix):]
	}
	return asgi.Fields{{Key: "keys", Value: items(keys)}}, err
}

// stateSwap takes a key that is not given for no value.
func stateSwap(w *work, kv asgi.KV, prefix string) (asgi.Fields, error) {
	key := w.args.text("key")
	if w.args.bad != nil {
		return nil, w.args.bad
	}
	orAbsent := func(name string) any {
		if v, given := w.args.get(name); given {
			return v
		}
		return asgi.Absent
	}
	swapped, err := kv.Swap(w.ctx, w.cause, prefix+key, orAbsent("old"), orAbsent("new"))
	return asgi.Fields{{Key: "swapped", Value: swapped}}, err
}
