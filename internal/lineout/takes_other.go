//go:build !unix

package lineout

// takes reports whether a file takes a short line at once. This is not known.
func takes(uintptr) bool { return false }
