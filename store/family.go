package store

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	"asgibox/asgi"
)

// A family is all values whose keys have one of the prefixes of asgibox itself, or
// none of them. Its size is limited. A family that is full refuses new and
// longer values. The families of sessions of browsers and of UDP peers discard old
// ones instead.
type family struct {
	values map[string]*value
	bytes  int // of all values together

	// Only if the family discards values: those that no Get has ever returned, and
	// those that one has. Both are in the order of their last use.
	fresh, used list[*value]
}

// valueOverhead is approximately the memory that a value takes besides its key
// and its data, in bytes.
const valueOverhead = 256

func sizeOf(key string, data any) int { return valueOverhead + len(key) + asgi.FootprintOf(data) }

// familyPrefixes are the prefixes whose values are a family each: of state, and of
// the sessions of browsers, of UDP peers and of other connections. All other values
// share a family, so that new prefixes do not make room for more values.
var familyPrefixes = []string{asgi.StatePrefix, asgi.SessionPrefix, asgi.PeerPrefix, asgi.ConnectionPrefix}

// familyOf returns the prefix of a key that names its family, or "".
func familyOf(key string) string {
	for _, prefix := range familyPrefixes {
		if strings.HasPrefix(key, prefix) {
			return prefix
		}
	}
	return ""
}

// discards reports whether a family discards values to make room for new ones.
func discards(name string) bool { return name == asgi.SessionPrefix || name == asgi.PeerPrefix }

// lookupLocked returns a key's value, or nil.
func (k *values) lookupLocked(key string) *value {
	if f := k.families[familyOf(key)]; f != nil {
		return f.values[key]
	}
	return nil
}

// makeRoomLocked makes sure that data fits as the value of a key, whose value is
// v now. It fails if the family is full.
func (k *values) makeRoomLocked(v *value, key string, data any) error {
	name, grow, added := familyOf(key), sizeOf(key, data), 1
	if v != nil {
		grow, added = grow-v.size, 0
	}
	f := k.families[name]
	if f == nil {
		f = &family{}
	}
	if discards(name) {
		for (len(f.values)+added > k.maxSessions || f.bytes+grow > k.maxBytes) && k.discardLocked(f, v) {
		}
	}
	if grow > 0 && f.bytes+grow > k.maxBytes {
		return fmt.Errorf("%w: with %q the %s would take more than %d bytes; delete some, or raise --state-memory", asgi.ErrStateFull, key, describeFamily(name), k.maxBytes)
	}
	return nil
}

func describeFamily(name string) string {
	if name == "" {
		return "values without a prefix of asgibox"
	}
	return fmt.Sprintf("values under %q", name)
}

// discardLocked deletes the value of a family that is needed least, but not keep,
// and reports whether there was one.
func (k *values) discardLocked(f *family, keep *value) bool {
	for _, l := range []*list[*value]{&f.fresh, &f.used} {
		e := l.first
		if e != nil && e.entry == keep {
			e = e.next
		}
		if e == nil {
			continue
		}
		if strings.HasPrefix(e.entry.key, asgi.PeerPrefix) {
			k.discarded.peers++
		} else {
			k.discarded.sessions++
			if l == &f.fresh {
				k.discarded.fresh++
			}
		}
		k.deleteLocked(e.entry)
		k.wakeBy(k.discarded.due)
		return true
	}
	return false
}

// addLocked adds a new value to its family.
func (k *values) addLocked(v *value) {
	name := familyOf(v.key)
	f := k.families[name]
	if f == nil {
		f = &family{values: make(map[string]*value)}
		k.families[name] = f
	}
	f.values[v.key] = v
	f.bytes += v.size
	if discards(name) {
		v.list = &f.fresh
		v.list.push(&v.link)
	}
}

// resizeLocked counts a value's new size. A change of a value is a use of it.
func (k *values) resizeLocked(v *value, size int) {
	k.families[familyOf(v.key)].bytes += size - v.size
	v.size = size
	if v.list != nil {
		v.moveTo(v.list)
	}
}

// useLocked records that a Get returned a value: the client of a session has come
// back. It does nothing in a family that discards nothing.
func (k *values) useLocked(v *value) {
	if v.list != nil {
		v.moveTo(&k.families[familyOf(v.key)].used)
	}
}

// moveTo moves a value to the end of a list.
func (v *value) moveTo(l *list[*value]) {
	v.list.remove(&v.link)
	v.list = l
	l.push(&v.link)
}

// forgetLocked removes a value from its family.
func (k *values) forgetLocked(v *value) {
	name := familyOf(v.key)
	f := k.families[name]
	delete(f.values, v.key)
	f.bytes -= v.size
	if v.list != nil {
		v.list.remove(&v.link)
		v.list = nil
	}
	if len(f.values) == 0 {
		delete(k.families, name)
	}
}

// discardLogInterval is the time between two log records about discarded
// sessions.
const discardLogInterval = int64(time.Minute)

// A discardLog counts discarded sessions until they are logged.
type discardLog struct {
	sessions int   // of browsers
	fresh    int   // of those, never sent back by a client
	peers    int   // of UDP
	due      int64 // not logged earlier
}

// logDiscarded logs how many sessions were discarded, if that is due, and
// returns when it is due next.
func (k *values) logDiscarded(now int64, log *slog.Logger) (next int64) {
	k.mu.Lock()
	d := k.discarded
	if none := d.sessions+d.peers == 0; none || d.due > now {
		k.mu.Unlock()
		if none {
			return never
		}
		return d.due
	}
	k.discarded = discardLog{due: now + discardLogInterval}
	k.mu.Unlock()
	log.Warn(fmt.Sprintf("discarded sessions to make room for new ones: there may be %d of browsers and as many of UDP peers (--max-sessions), and each kind may take %d bytes (--state-memory)",
		k.maxSessions, k.maxBytes), "of_browsers", d.sessions, "never_sent_back", d.fresh, "of_udp_peers", d.peers)
	return never
}
