package asgi

import (
	"fmt"
	"iter"
	"sort"
)

// ReservedKey must not be a key of a message.
const ReservedKey = "__asgi_channel__"

// MaxDepth is the maximum nesting depth. The message itself counts as 1.
const MaxDepth = 100

// indexFrom is the number of keys from which a dict has an index.
const indexFrom = 16

// Bytes is a byte string. It never equals a text with the same bytes.
type Bytes string

// Octets returns the bytes of a byte string or of a text (in UTF-8), and
// reports whether the value is one of them. Use it where the specification
// wants a byte string, because text is allowed there too.
func Octets(v any) (octets string, ok bool) {
	switch v := v.(type) {
	case Bytes:
		return string(v), true
	case string:
		return v, true
	}
	return "", false
}

// TypeName returns the specification's name for the type of a value, for use in
// error texts.
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

// A Field is one key of a message or dict with its value.
type Field struct {
	Key   string
	Value any
}

// Fields are the unchecked fields of a dict, in order.
type Fields []Field

// Get returns the value of the first field with a key and reports whether
// there is one.
func (f Fields) Get(key string) (any, bool) {
	for _, field := range f {
		if field.Key == key {
			return field.Value, true
		}
	}
	return nil, false
}

// A Dict is an immutable dict with text keys, in order. Its values are nil,
// bool, int64, float64, string (text), [Bytes], [List] and [Dict].
type Dict struct {
	fields []Field
	index  map[string]int // nil for a short dict
	size   int            // bytes when encoded as MessagePack
	heap   int            // approximate bytes in memory
	depth  int            // 1 if it holds no list or dict
}

// A List is an immutable list of the values that a [Dict] may hold.
type List struct {
	items []any
	size  int
	heap  int
	depth int
}

// A Message is an immutable dict that may be sent: its keys are text, none is
// [ReservedKey], and no value is nested deeper than [MaxDepth]. The zero Message
// is empty.
type Message struct{ Dict }

// NewMessage returns a message of the fields. It copies everything that the
// caller could change later. Besides the values of a [Dict] it takes []byte,
// every type of integer if the value fits in int64, float32, []any,
// map[string]any (sorted by key), [Fields] and [Message]. It fails with an
// [InvalidMessageError] for any other value, for numbers that are not finite,
// for text that is not UTF-8 and for duplicate keys.
func NewMessage(fields ...Field) (Message, error) { return Converter(nil).Message(fields) }

// MustMessage is like [NewMessage] but panics if the message is not valid.
func MustMessage(fields ...Field) Message {
	m, err := NewMessage(fields...)
	if err != nil {
		panic(err)
	}
	return m
}

// AsMessage returns a dict as a message. It fails if the dict has [ReservedKey].
func AsMessage(d Dict) (Message, error) {
	if d.Has(ReservedKey) {
		return Message{}, &InvalidMessageError{ReservedKey, fmt.Sprintf("the key %q is reserved", ReservedKey)}
	}
	return Message{d}, nil
}

// With returns a copy of the message in which key has the given value. A new key
// is added at the end.
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

// Len returns the number of fields.
func (d Dict) Len() int { return len(d.fields) }

// Size returns the length in bytes when encoded as MessagePack.
func (d Dict) Size() int { return max(d.size, 1) }

// Footprint returns approximately how many bytes of memory the dict takes.
// Memory limits count it, because small values take many times their encoded
// length.
func (d Dict) Footprint() int { return d.heap }

// Get returns the value of a key and reports whether the key exists.
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

// Has reports whether the key exists.
func (d Dict) Has(key string) bool {
	_, ok := d.Get(key)
	return ok
}

// Text returns the value of a key if it is a text, otherwise "".
func (d Dict) Text(key string) string {
	v, _ := d.Get(key)
	s, _ := v.(string)
	return s
}

// Bytes returns the value of a key if it is a byte string, otherwise "".
func (d Dict) Bytes(key string) Bytes {
	v, _ := d.Get(key)
	s, _ := v.(Bytes)
	return s
}

// Octets returns the bytes of a key's value, like the function [Octets], or "".
func (d Dict) Octets(key string) string {
	v, _ := d.Get(key)
	s, _ := Octets(v)
	return s
}

// Int returns the value of a key if it is an integer, otherwise 0.
func (d Dict) Int(key string) int64 {
	v, _ := d.Get(key)
	n, _ := v.(int64)
	return n
}

// At returns the field at index i.
func (d Dict) At(i int) Field { return d.fields[i] }

// All returns an iterator over the keys and values, in order.
func (d Dict) All() iter.Seq2[string, any] {
	return func(yield func(string, any) bool) {
		for _, f := range d.fields {
			if !yield(f.Key, f.Value) {
				return
			}
		}
	}
}

// NewList returns a list of the items. It checks them as [NewMessage] does.
func NewList(items ...any) (List, error) {
	v, err := Converter(nil).Value(items)
	l, _ := v.(List)
	return l, err
}

// Len returns the number of items.
func (l List) Len() int { return len(l.items) }

// Size returns the length in bytes when encoded as MessagePack.
func (l List) Size() int { return max(l.size, 1) }

// Footprint returns approximately how many bytes of memory the list takes.
func (l List) Footprint() int { return l.heap }

// At returns the item at index i.
func (l List) At(i int) any { return l.items[i] }

// Octets returns the bytes of the item at index i, like the function [Octets],
// or "".
func (l List) Octets(i int) string {
	s, _ := Octets(l.items[i])
	return s
}

// All returns an iterator over the indexes and items.
func (l List) All() iter.Seq2[int, any] {
	return func(yield func(int, any) bool) {
		for i, v := range l.items {
			if !yield(i, v) {
				return
			}
		}
	}
}

// Append returns a copy of the list with a value added at the end. If keep is
// above zero, the copy has only the newest keep items.
func (l List) Append(value any, keep int) (List, error) {
	items := make([]any, 0, len(l.items)+1)
	items = append(append(items, l.items...), value)
	if keep > 0 && len(items) > keep {
		items = items[len(items)-keep:]
	}
	return NewList(items...)
}

// Equal reports whether two values are equal and of the same type: a text does
// not equal a byte string, and 1 does not equal 1.0. It ignores the order of
// keys.
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
