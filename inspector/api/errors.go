package api

import (
	"errors"
	"fmt"
	"net/http"
	"os"

	"asgibox/asgi"
	"asgibox/asgi/codec"
)

// The kinds of errors.
const (
	BadRequest      = "BadRequest"
	InvalidName     = "InvalidName"
	InvalidMessage  = "InvalidMessage"
	NotFound        = "NotFound" // also a part or an extension that the server lacks
	MessageTooLarge = "MessageTooLarge"
	NotReplayable   = "NotReplayable"
	LoadFailed      = "LoadFailed"
	NoAnswer        = "NoAnswer"
	ChannelFull     = "ChannelFull"
	StoreFailed     = "StoreFailed"
	Closed          = "Closed"
	TooManyViewers  = "TooManyViewers"
	Internal        = "Error"
)

// table joins kinds, HTTP statuses and the errors that have them.
var table = []struct {
	kind   string
	status int
	err    error // nil if only the control server makes such errors
}{
	{InvalidName, http.StatusBadRequest, asgi.ErrInvalidName},
	{InvalidMessage, http.StatusBadRequest, asgi.ErrInvalidMessage},
	{BadRequest, http.StatusBadRequest, codec.ErrMalformed},
	{BadRequest, http.StatusBadRequest, os.ErrDeadlineExceeded}, // the body came too slowly
	{NotFound, http.StatusNotFound, errors.ErrUnsupported},
	{MessageTooLarge, http.StatusRequestEntityTooLarge, asgi.ErrMessageTooLarge},
	{NotReplayable, http.StatusUnprocessableEntity, nil},
	{LoadFailed, http.StatusUnprocessableEntity, nil},
	{NoAnswer, http.StatusBadGateway, nil},
	{ChannelFull, http.StatusServiceUnavailable, asgi.ErrChannelFull},
	{StoreFailed, http.StatusServiceUnavailable, asgi.ErrStoreFailed},
	{Closed, http.StatusServiceUnavailable, asgi.ErrClosed},
	{TooManyViewers, http.StatusServiceUnavailable, nil},
}

// An Error is an error response of the control server.
type Error struct {
	Kind   string `json:"error"`
	Detail string `json:"detail"`
}

func (e *Error) Error() string { return e.Detail }

// Status returns the HTTP status of the error.
func (e *Error) Status() int {
	for _, row := range table {
		if row.kind == e.Kind {
			return row.status
		}
	}
	return http.StatusInternalServerError
}

// Errorf returns an error of a kind.
func Errorf(kind, format string, args ...any) error {
	return &Error{kind, fmt.Sprintf(format, args...)}
}

// ErrorOf returns the error response for an error.
func ErrorOf(err error) *Error {
	var own *Error
	var long *http.MaxBytesError
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &long):
		return &Error{MessageTooLarge, fmt.Sprintf("the body is longer than %d MiB", long.Limit>>20)}
	}
	for _, row := range table {
		if row.err != nil && errors.Is(err, row.err) {
			return &Error{row.kind, err.Error()}
		}
	}
	return &Error{Internal, err.Error()}
}
