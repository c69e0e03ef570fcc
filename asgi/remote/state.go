package remote

import "asgibox/asgi"

// statePrefix is the prefix of the keys that hold the state of applications.
const statePrefix = "state/"

// withState adds the calls for values: state/ for the state of applications,
// and kv/ for all values by their full keys, including sessions.
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
		for path, prefix := range map[string]string{"state/": statePrefix, "kv/": ""} {
			calls[path+name] = &call{keys: c.keys, bodyless: name == "keys", do: func(w *work) (asgi.Fields, error) {
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
	if w.args.err != nil {
		return nil, w.args.err
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
	if w.args.err != nil {
		return nil, w.args.err
	}
	return value(v), kv.Set(w.ctx, w.cause, prefix+key, v, ttl, opts...)
}

func stateDelete(w *work, kv asgi.KV, prefix string) (asgi.Fields, error) {
	key := w.args.text("key")
	if w.args.err != nil {
		return nil, w.args.err
	}
	return empty, kv.Delete(w.ctx, w.cause, prefix+key)
}

func stateIncr(w *work, kv asgi.KV, prefix string) (asgi.Fields, error) {
	key, n := w.args.text("key"), w.args.integer("n", 1)
	if w.args.err != nil {
		return nil, w.args.err
	}
	sum, err := kv.Incr(w.ctx, w.cause, prefix+key, n)
	return value(sum), err
}

func stateAppend(w *work, kv asgi.KV, prefix string) (asgi.Fields, error) {
	key, v, keep := w.args.text("key"), w.args.value("value"), w.args.integer("keep", 0)
	if w.args.err != nil {
		return nil, w.args.err
	}
	l, err := kv.Append(w.ctx, w.cause, prefix+key, v, int(keep))
	return value(l), err
}

func stateKeys(w *work, kv asgi.KV, prefix string) (asgi.Fields, error) {
	start := w.args.textOr("prefix", "")
	if w.args.err != nil {
		return nil, w.args.err
	}
	keys, err := kv.Keys(w.ctx, w.cause, prefix+start)
	for i := range keys {
		keys[i] = keys[i][len(prefix):]
	}
	return asgi.Fields{{Key: "keys", Value: items(keys)}}, err
}

// stateSwap uses [asgi.Absent] for old or new if the argument is missing.
func stateSwap(w *work, kv asgi.KV, prefix string) (asgi.Fields, error) {
	key := w.args.text("key")
	if w.args.err != nil {
		return nil, w.args.err
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
