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
