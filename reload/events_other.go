//go:build !linux

package reload

// withoutEvents is not known here: the slow tick has to do.
func withoutEvents(string) bool { return false }
