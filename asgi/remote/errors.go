package remote

import (
	"errors"
	"fmt"
	"net/http"

	"asgibox/asgi"
	"asgibox/asgi/codec"
)

// Kinds of errors in responses, besides those of package asgi.
const (
	kindBadRequest    = "BadRequest"
	kindNotFound      = "NotFound"
	kindMethod        = "MethodNotAllowed"
	kindNotAcceptable = "NotAcceptable"
	kindMediaType     = "UnsupportedMediaType"
	kindTooLarge      = "MessageTooLarge"
	kindInternal      = "Error"
)

// errorTable maps errors to kinds and statuses, for both ends. If several rows
// match, the first one counts.
var errorTable = []struct {
	err    error
	kind   string
	status int
}{
	{asgi.ErrInvalidName, "InvalidName", http.StatusBadRequest},
	{asgi.ErrInvalidMessage, "InvalidMessage", http.StatusBadRequest},
	{asgi.ErrMessageTooLarge, kindTooLarge, http.StatusRequestEntityTooLarge},
	{asgi.ErrChannelFull, "ChannelFull", http.StatusServiceUnavailable},
	{asgi.ErrStoreFailed, "StoreFailed", http.StatusServiceUnavailable},
	{asgi.ErrClosed, "Closed", http.StatusServiceUnavailable},
	{asgi.ErrWrongType, "WrongType", http.StatusBadRequest},
	{codec.ErrMalformed, kindBadRequest, http.StatusBadRequest},
	{errors.ErrUnsupported, kindNotFound, http.StatusNotFound},
	{errMethod, kindMethod, http.StatusMethodNotAllowed},
	{errNotAcceptable, kindNotAcceptable, http.StatusNotAcceptable},
	{errMediaType, kindMediaType, http.StatusUnsupportedMediaType},
	{errUnauthorized, "Unauthorized", http.StatusUnauthorized},
	{errForbidden, "Forbidden", http.StatusForbidden},
}

var (
	errMethod        = errors.New("method not allowed")
	errNotAcceptable = errors.New("not acceptable")
	errMediaType     = errors.New("unsupported media type")
	errUnauthorized  = errors.New("unauthorized")
	errForbidden     = errors.New("forbidden")
)

// An Error is an error response. It matches the error of package asgi that its
// kind names, so that errors.Is(err, asgi.ErrChannelFull) works over HTTP too.
type Error struct {
	Kind   string // like ChannelFull
	Detail string
}

func (e *Error) Error() string { return e.Detail }

// Is reports whether target is the error that the kind names.
func (e *Error) Is(target error) bool {
	for _, row := range errorTable {
		if row.kind == e.Kind {
			return row.err == target
		}
	}
	return false
}

func callError(kind, detail string) error { return &Error{kind, detail} }

func badRequest(format string, args ...any) error {
	return callError(kindBadRequest, fmt.Sprintf(format, args...))
}

// kindOf returns the kind and the status for an error.
func kindOf(err error) (kind string, status int) {
	for _, row := range errorTable {
		if errors.Is(err, row.err) {
			return row.kind, row.status
		}
	}
	return kindInternal, http.StatusInternalServerError
}
