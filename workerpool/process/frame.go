package process

import (
	"errors"
	"fmt"
	"slices"

	"asgibox/asgi"
	"asgibox/asgi/remote"
	"asgibox/workerpool/process/wire"
)

// maxAt is the maximum length of a line that a call names, in bytes. Records keep it.
const maxAt = 1 << 10

// A frame is a frame of a client. Fields that the head does not have are zero.
type frame struct {
	id    int64  // of the call, to be returned with its result
	call  string // its name
	job   int64  // that the call belongs to
	quiet bool   // the call is answered only if it fails
	retry bool   // while the channel is full, the call is made again
	at    string // the line of the application that makes the call; "" if it is too long
	done  int64  // the job that has ended

	args asgi.Fields // the other fields
	bad  error       // why the call fails, whatever it is; nil if the frame is valid
}

// readFrame reads a frame. If a value of it is not allowed, only its call fails.
func readFrame(r *wire.Reader) (frame, error) {
	head, err := r.Read()
	var bad error
	if err != nil {
		if head, bad, err = badHead(err); err != nil {
			return frame{}, err
		}
	}
	f, err := parseFrame(head, bad)
	if err != nil {
		return f, fmt.Errorf("%w: %w", wire.ErrBadFrame, err)
	}
	return f, nil
}

// badHead returns the head that a [wire.ValueError] has, and the error of its call. It
// returns other errors.
func badHead(err error) (head asgi.Fields, bad, _ error) {
	var e *wire.ValueError
	if !errors.As(err, &e) {
		return nil, nil, err
	}
	return e.Head, remote.Errorf(remote.InvalidMessage, "%v", e), nil
}

// parseFrame returns the frame with a head. It uses the memory of head again. It fails if
// the frame is not valid and has no id that a reply could name.
func parseFrame(head asgi.Fields, bad error) (f frame, err error) {
	f.args, f.bad = head[:0], bad
	hasID := false
	for _, field := range head {
		var ok bool
		switch field.Key {
		case "id":
			f.id, ok = field.Value.(int64)
			ok, hasID = ok && !hasID, true
		case "call":
			f.call, ok = field.Value.(string)
		case "job":
			f.job, ok = field.Value.(int64)
		case "quiet":
			f.quiet, ok = field.Value.(bool)
		case "retry":
			f.retry, ok = field.Value.(bool)
		case "at":
			if f.at, ok = field.Value.(string); len(f.at) > maxAt {
				f.at = ""
			}
		case "done":
			f.done, ok = field.Value.(int64)
		default:
			f.args, ok = append(f.args, field), true
		}
		if ok {
			continue
		}
		if f.bad == nil {
			f.bad = remote.Errorf(remote.BadRequest, "the field %s is %s", field.Key, asgi.TypeName(field.Value))
		}
		if field.Key == "id" || field.Key == "done" {
			return f, f.bad
		}
	}
	clear(head[len(f.args):])
	if f.call == "" && f.done == 0 {
		if f.bad == nil {
			f.bad = remote.Errorf(remote.BadRequest, "it has neither call nor done")
		}
		if !hasID {
			return f, f.bad
		}
	}
	return f, nil
}

// take removes a field and returns its value.
func (f *frame) take(key string) any {
	for i, field := range f.args {
		if field.Key == key {
			f.args = slices.Delete(f.args, i, i+1)
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
