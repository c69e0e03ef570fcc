package process

import (
	"bytes"
	"fmt"

	"asgibox/asgi"
	"asgibox/workerpool/process/wire"
)

// A loopFrame is a frame of an event loop. Fields that the head does not have are zero.
type loopFrame struct {
	kind string // the first key of the head
	id   int64  // its value: of the task, or of the ping

	status, code     int64
	headers, content asgi.Bytes
	more             bool // of the body follows
	ack              bool // a room frame is wanted
	done             bool // a done frame would follow
	off              bool // the application does not wait any more
	lost             bool // the task did not wait in receive()

	head asgi.Fields // all fields, if the kind has others
	bad  error       // why the task fails; nil if the frame is valid
}

// loopKinds are the kinds of frame that have no other fields than those of a loopFrame.
var loopKinds = []string{"start", "piece", "text", "bytes", "taken", "wait", "done", "yielded", "pong"}

// readLoopFrame reads a frame of an event loop.
func readLoopFrame(r *wire.Reader) (loopFrame, error) {
	head, segments, err := r.ReadRaw()
	if err != nil {
		return loopFrame{}, err
	}
	if f, ok := scanLoopFrame(head, segments); ok {
		return f, nil
	}
	fields, err := r.Decode(head)
	var bad error
	if err != nil {
		if fields, bad, err = badHead(err); err != nil {
			return loopFrame{}, err
		}
	}
	return newLoopFrame(fields, bad)
}

// newLoopFrame returns the frame with a head. Bad, if not nil, says that a value of it is
// not allowed.
func newLoopFrame(head asgi.Fields, bad error) (f loopFrame, err error) {
	if len(head) == 0 {
		return f, fmt.Errorf("%w: its head is empty", wire.ErrBadFrame)
	}
	id, ok := head[0].Value.(int64)
	if !ok {
		return f, fmt.Errorf("%w: it begins with %q, which is %s", wire.ErrBadFrame, head[0].Key, asgi.TypeName(head[0].Value))
	}
	return loopFrame{
		kind: head[0].Key, id: id,
		status: find[int64](head, asgi.KeyStatus), code: find[int64](head, asgi.KeyCode),
		headers: find[asgi.Bytes](head, asgi.KeyHeaders), content: find[asgi.Bytes](head, asgi.KeyContent),
		more: find[bool](head, "more"), ack: find[bool](head, "ack"), done: find[bool](head, "done"),
		off: find[bool](head, "off"), lost: find[bool](head, "lost"), head: head, bad: bad,
	}, nil
}

// scanLoopFrame returns the frame with a head in the form in which the Python package
// writes those that come often. It is faster than the decoder of JSON. Ok is false if
// the head has another form.
func scanLoopFrame(head []byte, segments []asgi.Bytes) (f loopFrame, ok bool) {
	s := headScanner{head, segments, true}
	s.skip("{")
	key := s.key()
	for _, kind := range loopKinds {
		if string(key) == kind {
			f.kind = kind
		}
	}
	f.id = s.number()
	for s.ok && len(s.rest) > 1 {
		s.skip(",")
		switch string(s.key()) {
		case asgi.KeyStatus:
			f.status = s.number()
		case asgi.KeyHeaders:
			f.headers = s.segment()
		case asgi.KeyContent:
			f.content = s.segment()
		case "more":
			f.more = s.bool()
		case "ack":
			f.ack = s.bool()
		case "done":
			f.done = s.bool()
		case "off":
			f.off = s.bool()
		case "lost":
			f.lost = s.bool()
		default:
			return f, false
		}
	}
	s.skip("}")
	return f, s.ok && f.kind != ""
}

// A headScanner reads the tokens of a head without spaces. Ok becomes false at the first
// other token.
type headScanner struct {
	rest     []byte
	segments []asgi.Bytes
	ok       bool
}

func (s *headScanner) skip(text string) {
	rest, found := bytes.CutPrefix(s.rest, []byte(text))
	s.rest, s.ok = rest, s.ok && found
}

// key reads a key and its colon.
func (s *headScanner) key() []byte {
	s.skip(`"`)
	key, rest, found := bytes.Cut(s.rest, []byte(`":`))
	s.rest, s.ok = rest, s.ok && found
	return key
}

func (s *headScanner) number() (n int64) {
	i := 0
	for ; i < len(s.rest) && i < 18 && '0' <= s.rest[i] && s.rest[i] <= '9'; i++ {
		n = 10*n + int64(s.rest[i]-'0')
	}
	s.ok = s.ok && i > 0 && (s.rest[0] != '0' || i == 1)
	s.rest = s.rest[i:]
	return n
}

func (s *headScanner) bool() bool {
	if bytes.HasPrefix(s.rest, []byte("true")) {
		s.rest = s.rest[4:]
		return true
	}
	s.skip("false")
	return false
}

// segment reads the name of a segment.
func (s *headScanner) segment() asgi.Bytes {
	s.skip("\"\uffff\ufffe")
	n := s.number()
	s.skip(`"`)
	if s.ok = s.ok && n < int64(len(s.segments)); !s.ok {
		return ""
	}
	return s.segments[n]
}
