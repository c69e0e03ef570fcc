package asgi

// A Shape makes messages that have the same keys. It checks the keys once, which
// takes longer than checking most values. It can be used by several goroutines.
type Shape struct {
	keys       []string
	size, heap int // without the values
}

// NewShape returns a shape with these keys. It panics if no message can have
// them, or if they are so many that a dict with them has an index.
func NewShape(keys ...string) Shape {
	if len(keys) >= indexFrom {
		panic("asgi: too many keys for a shape")
	}
	fields := make(Fields, len(keys))
	for i, key := range keys {
		fields[i].Key = key
	}
	m := MustMessage(fields...)
	return Shape{keys, m.size - len(keys)*SizeOf(nil), m.heap}
}

// Message returns a message with these values, one for each key. It keeps the
// slices in them, so the caller must not use those again.
func (s Shape) Message(values ...any) (Message, error) {
	d := Dict{fields: make([]Field, len(s.keys)), size: s.size, heap: s.heap, depth: 1}
	for i, key := range s.keys {
		v, err := Converter(nil).value(values[i], 2, owned)
		if err != nil {
			return Message{}, prependPath(pathStep(key), err)
		}
		d.fields[i] = Field{key, v}
		d.size += SizeOf(v)
		d.heap += FootprintOf(v)
		d.depth = max(d.depth, 1+depthOf(v))
	}
	return Message{d}, nil
}
