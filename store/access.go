package store

import "asgibox/asgi"

// An Access is one use of a key's value by an application.
type Access struct {
	Trace  asgi.TraceID
	Key    string
	Before any  // asgi.Absent if the key had no value
	After  any  // the same
	Read   bool // the result of the use depends on Before
	Size   int  // of Before and After, roughly, in bytes
}

// noteAccess records a use of a value, in the order of uses. The caller holds the
// lock of the values.
func (s *Store) noteAccess(c *asgi.Cause, read bool, key string, before, after any, size int) {
	rec := s.recorder.Load()
	if rec == nil {
		return
	}
	if trace := c.Trace(); trace != 0 && rec.Wants(trace) {
		rec.addAccess(Access{Trace: trace, Key: key, Before: before, After: after, Read: read, Size: size})
	}
}

func (r *Recorder) addAccess(a Access) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.accesses) >= r.limit || r.accessBytes >= recorderBytes {
		r.lostAccesses = true
		return
	}
	r.accesses, r.accessBytes = append(r.accesses, a), r.accessBytes+a.Size
}

// FetchAccesses returns the uses of values since the last call, and whether some
// were lost.
func (r *Recorder) FetchAccesses() (accesses []Access, lost bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	accesses, lost = r.accesses, r.lostAccesses
	r.accesses, r.accessBytes, r.lostAccesses = nil, 0, false
	return accesses, lost
}

// dataOf returns the data of a value that may be nil.
func dataOf(v *value) any {
	if v == nil {
		return asgi.Absent
	}
	return v.data
}

func sizeOfValue(v *value) int {
	if v == nil {
		return 0
	}
	return v.size
}
