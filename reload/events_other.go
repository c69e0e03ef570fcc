//go:build !linux

package reload

// lacksEvents returns false, because the file system's type is not known on this
// system. The rescans find changes without events.
func lacksEvents(string) bool { return false }
