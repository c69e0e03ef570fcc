package workerpool

// recent remembers the n names that were added last.
type recent struct {
	names map[string]struct{}
	ring  []string
	next  int
}

func newRecent(n int) *recent {
	return &recent{names: make(map[string]struct{}), ring: make([]string, n)}
}

func (r *recent) add(name string) {
	if r.has(name) {
		return
	}
	delete(r.names, r.ring[r.next])
	r.ring[r.next] = name
	r.names[name] = struct{}{}
	r.next = (r.next + 1) % len(r.ring)
}

func (r *recent) has(name string) bool {
	_, ok := r.names[name]
	return ok
}
