package load

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
)

// A Kind is a kind of errors. Its text is for programs.
type Kind string

// The kinds of errors.
const (
	Refused   Kind = "refused"   // nothing listens at the address
	Timeout   Kind = "timeout"   // the operation has not ended within the time limit
	Closed    Kind = "closed"    // the server has closed the connection before the end of the operation
	Security  Kind = "tls"       // the TLS handshake has failed
	Handshake Kind = "handshake" // the server has refused the WebSocket
	Invalid   Kind = "invalid"   // the bytes from the server are not HTTP or WebSocket
	Lost      Kind = "lost"      // a message has not reached all members of a broadcast
	Other     Kind = "other"
)

// An opError is an error whose kind its text does not say.
type opError struct {
	kind Kind
	err  error
}

func (e *opError) Error() string { return e.err.Error() }
func (e *opError) Unwrap() error { return e.err }

func invalid(text string) error { return &opError{Invalid, errors.New(text)} }

// Numbers of errors on Windows, which package syscall does not name everywhere.
const (
	windowsAborted = syscall.Errno(10053)
	windowsReset   = syscall.Errno(10054)
	windowsRefused = syscall.Errno(10061)
)

// KindOf returns the kind of an error.
func KindOf(err error) Kind {
	var known *opError
	var network net.Error
	switch {
	case errors.As(err, &network) && network.Timeout(), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return Timeout
	case errors.As(err, &known):
		return known.kind
	case isAny(err, syscall.ECONNREFUSED, windowsRefused):
		return Refused
	case isAny(err, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, syscall.ECONNRESET, syscall.EPIPE, syscall.ECONNABORTED, windowsReset, windowsAborted):
		return Closed
	}
	return Other
}

func isAny(err error, targets ...error) bool {
	for _, target := range targets {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}
