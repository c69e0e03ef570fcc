package codec

import (
	"slices"
	"strings"

	"github.com/tinylib/msgp/msgp"

	"asgibox/asgi"
)

// Append appends the message as MessagePack: exactly [asgi.SizeOf] bytes.
func Append(dst []byte, m asgi.Message) []byte { return AppendValue(dst, m.Dict) }

// AppendValue appends a checked value: one that [asgi.Converter] answered or
// that was in a message. It panics on any other.
func AppendValue(dst []byte, v any) []byte {
	return appendValue(slices.Grow(dst, asgi.SizeOf(v)), v)
}

// AppendFields appends a dict whose values are checked.
func AppendFields(dst []byte, fields asgi.Fields) []byte {
	dst = msgp.AppendMapHeader(dst, uint32(len(fields)))
	for _, f := range fields {
		dst = AppendValue(msgp.AppendString(dst, f.Key), f.Value)
	}
	return dst
}

func appendValue(dst []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return msgp.AppendNil(dst)
	case bool:
		return msgp.AppendBool(dst, v)
	case int64:
		return msgp.AppendInt64(dst, v)
	case float64:
		return msgp.AppendFloat64(dst, v)
	case string:
		return msgp.AppendString(dst, v)
	case asgi.Bytes:
		return append(msgp.AppendBytesHeader(dst, uint32(len(v))), v...)
	case asgi.List:
		dst = msgp.AppendArrayHeader(dst, uint32(v.Len()))
		for i := range v.Len() {
			dst = appendValue(dst, v.At(i))
		}
		return dst
	case asgi.Dict:
		dst = msgp.AppendMapHeader(dst, uint32(v.Len()))
		for i := range v.Len() {
			f := v.At(i)
			dst = appendValue(msgp.AppendString(dst, f.Key), f.Value)
		}
		return dst
	case asgi.Message:
		return appendValue(dst, v.Dict)
	}
	panic("codec: a value that was not checked")
}

// Decode reads one message that fills b. The message keeps nothing of b.
func Decode(b []byte) (asgi.Message, error) {
	v, err := readAll(b)
	if err != nil {
		return asgi.Message{}, err
	}
	return message(v)
}

// DecodeValue reads one value that fills b and keeps nothing of b.
func DecodeValue(b []byte) (any, error) {
	v, err := readAll(b)
	if err != nil {
		return nil, err
	}
	return foreign.OwnValue(v)
}

// DecodeFields reads a dict that fills b, and checks each of its values by
// itself.
func DecodeFields(b []byte) (asgi.Fields, error) {
	v, err := readAll(b)
	if err != nil {
		return nil, err
	}
	return envelope(v)
}

// shareBelow is the length of input, in bytes, up to which all its texts share
// one copy of it: one allocation instead of many. With longer input a small
// text that lives long would keep too much alive.
const shareBelow = 4 << 10

// unpacker reads MessagePack into the values that asgi's constructors take.
type unpacker struct {
	in     []byte
	shared string // all of in, if that is short
}

func readAll(b []byte) (any, error) {
	u := unpacker{in: b}
	if len(b) <= shareBelow {
		u.shared = string(b)
	}
	v, rest, err := u.value(b, 0)
	switch {
	case err != nil:
		return nil, err
	case len(rest) > 0:
		return nil, u.malformed(rest, "something follows the value")
	}
	return v, nil
}

// value reads one value from the front of b, inside depth others.
func (u *unpacker) value(b []byte, depth int) (v any, rest []byte, err error) {
	switch msgp.NextType(b) {
	case msgp.StrType:
		var raw []byte
		raw, rest, err = msgp.ReadStringZC(b)
		v = u.text(raw, rest)
	case msgp.BinType:
		var raw []byte
		raw, rest, err = msgp.ReadBytesZC(b)
		v = asgi.Bytes(u.text(raw, rest))
	case msgp.MapType:
		return u.dict(b, depth+1)
	case msgp.ArrayType:
		return u.list(b, depth+1)
	case msgp.IntType:
		v, rest, err = msgp.ReadInt64Bytes(b)
	case msgp.UintType:
		v, rest, err = msgp.ReadUint64Bytes(b)
	case msgp.Float64Type:
		v, rest, err = msgp.ReadFloat64Bytes(b)
	case msgp.Float32Type:
		v, rest, err = msgp.ReadFloat32Bytes(b)
	case msgp.BoolType:
		v, rest, err = msgp.ReadBoolBytes(b)
	case msgp.NilType:
		rest, err = msgp.ReadNilBytes(b)
	case msgp.InvalidType:
		return nil, nil, u.malformed(b, "no value begins here")
	default:
		v = refused("an extension type of MessagePack cannot be sent")
		rest, err = msgp.Skip(b)
	}
	if err != nil {
		return nil, nil, u.malformed(b, err.Error())
	}
	return v, rest, nil
}

func (u *unpacker) list(b []byte, depth int) (any, []byte, error) {
	n, rest, err := msgp.ReadArrayHeaderBytes(b)
	if err != nil {
		return nil, nil, u.malformed(b, err.Error())
	}
	if err := u.room(b, rest, int(n), 1, depth); err != nil {
		return nil, nil, err
	}
	items := make([]any, n)
	for i := range items {
		if items[i], rest, err = u.value(rest, depth); err != nil {
			return nil, nil, err
		}
	}
	return items, rest, nil
}

func (u *unpacker) dict(b []byte, depth int) (any, []byte, error) {
	n, rest, err := msgp.ReadMapHeaderBytes(b)
	if err != nil {
		return nil, nil, u.malformed(b, err.Error())
	}
	if err := u.room(b, rest, int(n), 2, depth); err != nil {
		return nil, nil, err
	}
	fields := make(asgi.Fields, n)
	for i := range fields {
		key, after, err := msgp.ReadStringZC(rest)
		if err != nil {
			return nil, nil, u.malformed(rest, "a key: "+err.Error())
		}
		fields[i].Key = u.text(key, after)
		if fields[i].Value, rest, err = u.value(after, depth); err != nil {
			return nil, nil, err
		}
	}
	return fields, rest, nil
}

// room refuses what cannot be true: more entries than bytes are left for them,
// at least each bytes an entry. It also ends the recursion, one level past
// what asgi allows, since an envelope is a dict of its own.
func (u *unpacker) room(b, rest []byte, n, each, depth int) error {
	switch {
	case n > len(rest)/each:
		return u.malformed(b, "it is longer than what is left")
	case depth > asgi.MaxDepth+1:
		return &asgi.InvalidMessageError{Reason: "it is nested deeper than 100"}
	}
	return nil
}

// text answers a copy of raw, which ends where rest begins.
func (u *unpacker) text(raw, rest []byte) string {
	if end := len(u.in) - len(rest); u.shared != "" {
		return u.shared[end-len(raw) : end]
	}
	return string(raw)
}

func (u *unpacker) malformed(at []byte, what string) error {
	return malformed("MessagePack", len(u.in)-len(at), strings.TrimPrefix(what, "msgp: "))
}
