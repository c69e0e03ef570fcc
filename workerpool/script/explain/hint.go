package explain

import "fmt"

// A hintedError is an error with a hint for the application's author.
type hintedError struct {
	error
	hint string
}

func (e *hintedError) Hint() string  { return e.hint }
func (e *hintedError) Unwrap() error { return e.error }

// Hintf returns an error whose explanation has the hint. It formats the message
// like fmt.Errorf.
func Hintf(hint, format string, args ...any) error {
	return &hintedError{fmt.Errorf(format, args...), hint}
}
