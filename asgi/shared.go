package asgi

import "sync"

// A Shared holds a value that readers derive from a message to a group. All
// copies of the message have the same Shared, so the work is done once. A
// Shared may be used by many goroutines at once.
type Shared struct {
	once  sync.Once
	value any
}

// Value returns the value. The first call makes it with derive. All readers must
// derive the same value from the message.
func (s *Shared) Value(derive func() any) any {
	s.once.Do(func() { s.value = derive() })
	return s.value
}
