package codec

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tinylib/msgp/msgp"

	"asgibox/asgi"
)

// Append appends the message as MessagePack. It appends m.Size() bytes.
func Append(dst []byte, m asgi.Message) []byte { return AppendValue(dst, m.Dict) }

// AppendValue appends a checked value as MessagePack: one that an
// [asgi.Converter] returned or that a message holds. It panics on other values.
func AppendValue(dst []byte, v any) []byte {
	return appendValue(slices.Grow(dst, asgi.SizeOf(v)), v)
}

// AppendFields appends a dict of checked values as MessagePack.
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
	panic("codec: unchecked value")
}

// Decode decodes b, which must hold exactly one message. The message shares no
// memory with b.
func Decode(b []byte) (asgi.Message, error) {
	v, err := readAll(b)
	if err != nil {
		return asgi.Message{}, err
	}
	return message(v)
}

// DecodeValue decodes b, which must hold exactly one value. The value shares no
// memory with b.
func DecodeValue(b []byte) (any, error) {
	v, err := readAll(b)
	if err != nil {
		return nil, err
	}
	return converter.OwnValue(v)
}

// DecodeFields decodes b, which must hold exactly one dict. It checks each value
// of the dict separately.
func DecodeFields(b []byte) (asgi.Fields, error) {
	v, err := readAll(b)
	if err != nil {
		return nil, err
	}
	return envelope(v)
}

// shareBelow is the length of input, in bytes, up to which all texts share one
// copy of it, which saves allocations. With longer input, one small text could
// keep a large copy in memory.
const shareBelow = 4 << 10

// unpacker reads MessagePack into the values that asgi's constructors take.
type unpacker struct {
	in     []byte
	shared string // copy of in, if that is short
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
		return nil, u.malformed(rest, "unexpected data after the value")
	}
	return v, nil
}

// value reads one value from the start of b. Depth is the number of
// values around it.
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
		return nil, nil, u.malformed(b, "expected a value")
	default:
		v = invalid("an extension type of MessagePack cannot be sent")
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
	if err := u.checkLength(b, rest, int(n), 1, depth); err != nil {
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
	if err := u.checkLength(b, rest, int(n), 2, depth); err != nil {
		return nil, nil, err
	}
	fields := make(asgi.Fields, n)
	var problem invalid
	for i := range fields {
		var after []byte
		if msgp.NextType(rest) == msgp.StrType {
			var key []byte
			if key, after, err = msgp.ReadStringZC(rest); err != nil {
				return nil, nil, u.malformed(rest, "key: "+err.Error())
			}
			fields[i].Key = u.text(key, after)
		} else {
			var key any
			if key, after, err = u.value(rest, depth); err != nil {
				return nil, nil, err
			}
			problem = notText(key)
		}
		if fields[i].Value, rest, err = u.value(after, depth); err != nil {
			return nil, nil, err
		}
	}
	if problem != "" {
		return problem, rest, nil
	}
	return fields, rest, nil
}

// notText returns the reason why a dict with the key is not allowed.
func notText(key any) invalid {
	var kind string
	switch key.(type) {
	case int64, uint64:
		return invalid(fmt.Sprintf("its key %d is an integer; keys must be text", key))
	case float32, float64:
		kind = "a float"
	case []any:
		kind = "a list"
	case invalid:
		kind = "of an extension type"
	default:
		kind = asgi.TypeName(key)
	}
	return invalid("a key of it is " + kind + "; keys must be text")
}

// checkLength fails if rest is too short for n entries of at least each bytes.
// It also limits the recursion to one level more than asgi allows, because an
// envelope adds one.
func (u *unpacker) checkLength(b, rest []byte, n, each, depth int) error {
	switch {
	case n > len(rest)/each:
		return u.malformed(b, "the length exceeds the remaining input")
	case depth > asgi.MaxDepth+1:
		return &asgi.InvalidMessageError{Reason: "it is nested deeper than 100 levels"}
	}
	return nil
}

// text returns a copy of raw, which must end where rest begins.
func (u *unpacker) text(raw, rest []byte) string {
	if end := len(u.in) - len(rest); u.shared != "" {
		return u.shared[end-len(raw) : end]
	}
	return string(raw)
}

func (u *unpacker) malformed(at []byte, problem string) error {
	return malformed("MessagePack", len(u.in)-len(at), strings.TrimPrefix(problem, "msgp: "))
}
