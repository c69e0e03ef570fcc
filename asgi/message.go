package asgi

import (
	"fmt"
	"iter"
	"sort"
)

// ReservedKey may not be a key of a message.
const ReservedKey = "__asgi_channel__"

// MaxDepth is how deep values may nest; the message itself is 1.
const MaxDepth = 100

// indexFrom is the number of keys from which a dict is looked up by hash.
const indexFrom = 16

// Bytes is a byte string. It is never the same as a text with those bytes.
type Bytes string

// Octets answers the bytes of a value where byte strings are specified: those
// of a text are its UTF-8. It reports whether the value is either.
func Octets(v any) (octets string, ok bool) {
	switch v := v.(type) {
	case Bytes:
		return string(v), true
	case string:
		return v, true
	}
	return "", false
}

// TypeName answers what the specification calls the type of a value, for errors.
func TypeName(v any) string {
	switch v.(type) {
	case nil:
		return "None"
	case bool:
		return "a bool"
	case int64:
		return "an integer"
	case float64:
		return "a float"
	case string:
		return "text"
	case Bytes:
		return "a byte string"
	case List:
		return "a list"
	}
	return "a dict"
}

// A Field is one key and value of a message or dict.
type Field struct {
	Key   string
	Value any
}

// Fields are the keys and values of a dict in order, before they are checked.
type Fields []Field

// A Dict is an immutable dict with text keys, in order. Its values are nil,
// bool, int64, float64, string (text), [Bytes], [List] and [Dict].
type Dict struct {
	fields []Field
	index  map[string]int // nil for a short dict
	size   int            // encoded as MessagePack, in bytes
	heap   int            // in memory, in bytes, about
	depth  int            // 1 with no list or dict in it
}

// A List is an immutable list of the values that a [Dict] may hold.
type List struct {
	items []any
	size  int
	heap  int
	depth int
}

// A Message is an immutable dict that has been found fit to send: text keys,
// none of them [ReservedKey], and no value nested deeper than [MaxDepth]. The
// zero Message is empty.
type Message struct{ Dict }

// NewMessage checks the fields and keeps a copy of what could change. Besides
// the values of a [Dict] it takes []byte, every kind of integer that fits in
// 64 bits signed, float32, []any, map[string]any (in the order of its keys),
// [Fields] and [Message]. Any other value, a number that is not finite, text
// that is not UTF-8 and a key given twice are an [InvalidMessageError].
func NewMessage(fields ...Field) (Message, error) { return Converter(nil).Message(fields) }

// MustMessage is [NewMessage] for messages known to be valid. It panics.
func MustMessage(fields ...Field) Message {
	m, err := NewMessage(fields...)
	if err != nil {
		panic(err)
	}
	return m
}

// MessageFromMap is [NewMessage] of a map, in the order of its keys.
func MessageFromMap(m map[string]any) (Message, error) {
	return Converter(nil).Message(sortedFields(m))
}

// AsMessage makes a message of a dict.
func AsMessage(d Dict) (Message, error) {
	if d.Has(ReservedKey) {
		return Message{}, reserved()
	}
	return Message{d}, nil
}

// With answers the message with a key changed, or added at its end.
func (m Message) With(key string, value any) (Message, error) {
	fields := make(Fields, 0, len(m.fields)+1)
	found := false
	for _, f := range m.fields {
		if f.Key == key {
			f.Value, found = value, true
		}
		fields = append(fields, f)
	}
	if !found {
		fields = append(fields, Field{key, value})
	}
	return NewMessage(fields...)
}

// Len answers the number of keys.
func (d Dict) Len() int { return len(d.fields) }

// Size answers the encoded length, in bytes, as MessagePack.
func (d Dict) Size() int { return max(d.size, 1) }

// Footprint answers about how much memory the dict takes, in bytes: what
// bounds on memory count. Small values take many times their encoded length.
func (d Dict) Footprint() int { return d.heap }

// Get answers the value of a key, and whether there is one.
func (d Dict) Get(key string) (any, bool) {
	if d.index != nil {
		i, ok := d.index[key]
		if !ok {
			return nil, false
		}
		return d.fields[i].Value, true
	}
	for i := range d.fields {
		if d.fields[i].Key == key {
			return d.fields[i].Value, true
		}
	}
	return nil, false
}

// Has reports whether there is such a key.
func (d Dict) Has(key string) bool {
	_, ok := d.Get(key)
	return ok
}

// Text answers the value of a key if it is a text, else "".
func (d Dict) Text(key string) string {
	v, _ := d.Get(key)
	s, _ := v.(string)
	return s
}

// Bytes answers the value of a key if it is a byte string, else "".
func (d Dict) Bytes(key string) Bytes {
	v, _ := d.Get(key)
	s, _ := v.(Bytes)
	return s
}

// Octets answers the value of a key as [Octets] does, else "".
func (d Dict) Octets(key string) string {
	v, _ := d.Get(key)
	s, _ := Octets(v)
	return s
}

// Int answers the value of a key if it is an integer, else 0.
func (d Dict) Int(key string) int64 {
	v, _ := d.Get(key)
	n, _ := v.(int64)
	return n
}

// At answers the i-th key and value.
func (d Dict) At(i int) Field { return d.fields[i] }

// All ranges over keys and values in order.
func (d Dict) All() iter.Seq2[string, any] {
	return func(yield func(string, any) bool) {
		for _, f := range d.fields {
			if !yield(f.Key, f.Value) {
				return
			}
		}
	}
}

// NewList checks the items as [NewMessage] does its values.
func NewList(items ...any) (List, error) {
	v, err := Converter(nil).Value(items)
	l, _ := v.(List)
	return l, err
}

// Len answers the number of items.
func (l List) Len() int { return len(l.items) }

// Size answers the encoded length, in bytes, as MessagePack.
func (l List) Size() int { return max(l.size, 1) }

// Footprint answers about how much memory the list takes, in bytes.
func (l List) Footprint() int { return l.heap }

// At answers the i-th item.
func (l List) At(i int) any { return l.items[i] }

// Octets answers the i-th item as [Octets] does, else "".
func (l List) Octets(i int) string {
	s, _ := Octets(l.items[i])
	return s
}

// All ranges over the items.
func (l List) All() iter.Seq2[int, any] {
	return func(yield func(int, any) bool) {
		for i, v := range l.items {
			if !yield(i, v) {
				return
			}
		}
	}
}

// Append answers the list with a checked value at its end and, if keep is
// above zero, only its newest keep items.
func (l List) Append(value any, keep int) (List, error) {
	items := make([]any, 0, len(l.items)+1)
	items = append(append(items, l.items...), value)
	if keep > 0 && len(items) > keep {
		items = items[len(items)-keep:]
	}
	return NewList(items...)
}

// Equal reports whether two values are the same, types included: text is not
// a byte string and 1 is not 1.0. The order of keys does not count.
func Equal(a, b any) bool {
	switch a := a.(type) {
	case Message:
		return Equal(a.Dict, b)
	case Dict:
		if m, ok := b.(Message); ok {
			b = m.Dict
		}
		o, ok := b.(Dict)
		if !ok || len(a.fields) != len(o.fields) {
			return false
		}
		for _, f := range a.fields {
			if v, ok := o.Get(f.Key); !ok || !Equal(f.Value, v) {
				return false
			}
		}
		return true
	case List:
		o, ok := b.(List)
		if !ok || len(a.items) != len(o.items) {
			return false
		}
		for i, v := range a.items {
			if !Equal(v, o.items[i]) {
				return false
			}
		}
		return true
	}
	switch b.(type) {
	case Message, Dict, List:
		return false
	}
	return a == b
}

func sortedFields(m map[string]any) Fields {
	fields := make(Fields, 0, len(m))
	for k, v := range m {
		fields = append(fields, Field{k, v})
	}
	sort.Slice(fields, func(i, j int) bool { return fields[i].Key < fields[j].Key })
	return fields
}

func reserved() error {
	return &InvalidMessageError{ReservedKey, fmt.Sprintf("the key %q is reserved", ReservedKey)}
}
