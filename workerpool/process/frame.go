package process

import (
	"fmt"

	"asgibox/asgi"
)

// A frame is a frame of a client. Fields that the head does not have are zero.
type frame struct {
	id    int64  // of the call, to be returned with its result
	call  string // its name
	job   int64  // that the call belongs to
	quiet bool   // the call is answered only if it fails
	at    string // the line of the application that makes the call
	done  int64  // the job that has ended

	args asgi.Fields // the other fields
}

// parseFrame returns the frame with a head. It uses the memory of head again.
func parseFrame(head asgi.Fields) (f frame, err error) {
	f.args = head[:0]
	for _, field := range head {
		var ok bool
		switch field.Key {
		case "id":
			f.id, ok = field.Value.(int64)
		case "call":
			f.call, ok = field.Value.(string)
		case "job":
			f.job, ok = field.Value.(int64)
		case "quiet":
			f.quiet, ok = field.Value.(bool)
		case "at":
			f.at, ok = field.Value.(string)
		case "done":
			f.done, ok = field.Value.(int64)
		default:
			f.args, ok = append(f.args, field), true
		}
		if !ok {
			return f, fmt.Errorf("its %s is %s", field.Key, asgi.TypeName(field.Value))
		}
	}
	if f.call == "" && f.done == 0 {
		return f, fmt.Errorf("it has neither call nor done")
	}
	return f, nil
}

// take removes a field and returns its value.
func (f *frame) take(key string) any {
	for i, field := range f.args {
		if field.Key == key {
			f.args = append(f.args[:i], f.args[i+1:]...)
			return field.Value
		}
	}
	return nil
}

// find returns the value of a key if it has type T.
func find[T any](fields asgi.Fields, key string) T {
	v, _ := fields.Get(key)
	typed, _ := v.(T)
	return typed
}

// texts returns the texts of a list.
func texts(v any) []string {
	l, _ := v.(asgi.List)
	var out []string
	for _, item := range l.All() {
		if text, ok := item.(string); ok {
			out = append(out, text)
		}
	}
	return out
}
