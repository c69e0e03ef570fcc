package httpfront

import (
	"compress/flate"
	"strings"
	"sync"
)

// compressFrom is the length from which a message is compressed, in bytes.
const compressFrom = 512

// An outgoing is a message to an open WebSocket. All members of a group use the
// same one.
type outgoing struct {
	reply   socketReply
	bad     *problem  // why the message is ignored
	ignored sync.Once // logs it

	once   sync.Once // makes packed
	packed string
}

// outgoing returns the message of an entry.
func (e *entry) outgoing() *outgoing {
	if e.shared == nil {
		return newOutgoing(e)
	}
	return e.shared.Value(func() any { return newOutgoing(e) }).(*outgoing)
}

func newOutgoing(e *entry) *outgoing {
	o := new(outgoing)
	o.reply, o.bad = parseSocketReply(e.message, false)
	return o
}

// compressed returns the data as a compressed frame has it (RFC 7692).
func (o *outgoing) compressed() string {
	o.once.Do(func() { o.packed = compress(o.reply.data) })
	return o.packed
}

var compressors = sync.Pool{New: func() any {
	w, _ := flate.NewWriter(nil, flate.BestSpeed) // cannot fail: the level is valid
	return w
}}

// compress compresses a message without those that were sent before.
func compress(data string) string {
	var out strings.Builder
	w := compressors.Get().(*flate.Writer)
	defer compressors.Put(w)
	w.Reset(&out)
	w.Write([]byte(data)) // cannot fail: a Builder does not
	w.Flush()
	return strings.TrimSuffix(out.String(), "\x00\x00\xff\xff")
}
