package remote

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"asgibox/asgi"
	"asgibox/asgi/codec"
)

// The kinds of errors that the control port's responses name.
const (
	BadRequest         = "BadRequest"
	InvalidName        = "InvalidName"
	InvalidMessage     = "InvalidMessage"
	WrongType          = "WrongType"
	Unauthorized       = "Unauthorized"
	Forbidden          = "Forbidden"
	NotFound           = "NotFound" // also an extension that the layer lacks
	MethodNotAllowed   = "MethodNotAllowed"
	NotAcceptable      = "NotAcceptable"
	MediaType          = "UnsupportedMediaType"
	MessageTooLarge    = "MessageTooLarge"
	NotReplayable      = "NotReplayable"
	LoadFailed         = "LoadFailed"
	NoAnswer           = "NoAnswer"
	ChannelFull        = "ChannelFull"
	StateFull          = "StateFull"
	TooManyNames       = "TooManyNames"
	StoreFailed        = "StoreFailed"
	Closed             = "Closed"
	TooManyViewers     = "TooManyViewers"
	TooManyBodies      = "TooManyBodies"
	TooManyAnswers     = "TooManyAnswers"
	TooManyConnections = "TooManyConnections" // over the socket
	RequestTimeout     = "RequestTimeout"
	Retired            = "Retired"   // the program must end
	Gone               = "Gone"      // the connection of the message has ended
	Cancelled          = "Cancelled" // the job was cancelled
	Internal           = "Error"
)

// errorTable joins kinds, HTTP statuses and the errors that have them. If
// several rows match, the first one counts.
var errorTable = []struct {
	kind   string
	status int
	err    error // nil if only the control port makes such errors
}{
	{InvalidName, http.StatusBadRequest, asgi.ErrInvalidName},
	{InvalidMessage, http.StatusBadRequest, asgi.ErrInvalidMessage},
	{MessageTooLarge, http.StatusRequestEntityTooLarge, asgi.ErrMessageTooLarge},
	{ChannelFull, http.StatusServiceUnavailable, asgi.ErrChannelFull},
	{StateFull, http.StatusInsufficientStorage, asgi.ErrStateFull},
	{TooManyNames, http.StatusServiceUnavailable, asgi.ErrTooManyNames},
	{StoreFailed, http.StatusServiceUnavailable, asgi.ErrStoreFailed},
	{Closed, http.StatusServiceUnavailable, asgi.ErrClosed},
	{WrongType, http.StatusBadRequest, asgi.ErrWrongType},
	{BadRequest, http.StatusBadRequest, codec.ErrMalformed},
	{RequestTimeout, http.StatusRequestTimeout, os.ErrDeadlineExceeded}, // the body came too slowly
	{NotFound, http.StatusNotFound, errors.ErrUnsupported},
	{MethodNotAllowed, http.StatusMethodNotAllowed, nil},
	{NotAcceptable, http.StatusNotAcceptable, nil},
	{MediaType, http.StatusUnsupportedMediaType, nil},
	{Unauthorized, http.StatusUnauthorized, nil},
	{Forbidden, http.StatusForbidden, nil},
	{NotReplayable, http.StatusUnprocessableEntity, nil},
	{LoadFailed, http.StatusUnprocessableEntity, nil},
	{NoAnswer, http.StatusBadGateway, nil},
	{TooManyViewers, http.StatusServiceUnavailable, nil},
	{TooManyBodies, http.StatusServiceUnavailable, nil},
	{TooManyAnswers, http.StatusServiceUnavailable, nil},
	{TooManyConnections, http.StatusServiceUnavailable, nil},
	{Retired, http.StatusGone, nil},
	{Gone, http.StatusGone, asgi.ErrGone},
	{Cancelled, http.StatusGone, nil},
}

// An Error is an error response. It matches the error of package asgi that its
// kind names, so that errors.Is(err, asgi.ErrChannelFull) works over HTTP too.
type Error struct {
	Kind   string `json:"error"` // like ChannelFull
	Detail string `json:"detail"`
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

// Status returns the HTTP status of the error.
func (e *Error) Status() int {
	for _, row := range errorTable {
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

// ErrTooManyAnswers is the error of a call whose answer had no memory.
var ErrTooManyAnswers = Errorf(TooManyAnswers, "too many long answers wait for clients that have not read them; try again in a moment")

// maxDetail is the maximum length of the detail of an error response, in bytes. An error
// may quote a key or a name of any length.
const maxDetail = 4 << 10

// ErrorOf returns the error response for an error. It cuts a detail that is too long.
func ErrorOf(err error) *Error {
	e := errorOf(err)
	if len(e.Detail) <= maxDetail {
		return e
	}
	return &Error{e.Kind, strings.ToValidUTF8(e.Detail[:maxDetail], "") + "…"}
}

func errorOf(err error) *Error {
	var own *Error
	var long *http.MaxBytesError
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &long):
		return &Error{MessageTooLarge, fmt.Sprintf("the body is longer than %d MiB", long.Limit>>20)}
	}
	for _, row := range errorTable {
		if row.err != nil && errors.Is(err, row.err) {
			return &Error{row.kind, err.Error()}
		}
	}
	return &Error{Internal, err.Error()}
}
