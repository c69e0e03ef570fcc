package apptest

import "sync/atomic"

// An interrupt ends a test from outside of its bubble, which no context can do.
type interrupt struct{ cause atomic.Pointer[error] }

// err returns the reason for the interrupt, or nil.
func (i *interrupt) err() error {
	if cause := i.cause.Load(); cause != nil {
		return *cause
	}
	return nil
}

func (i *interrupt) stop(cause error) { i.cause.Store(&cause) }

// An endError is the reason for an interrupt. It needs no hint, also if a request
// fails with it.
type endError string

func (e endError) Error() string { return string(e) }

// Hint returns no hint.
func (e endError) Hint() string { return "" }
