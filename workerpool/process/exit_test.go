package process

import (
	"strings"
	"testing"
)

// A program that ends at once without an error gets an error that says what it must do instead.
func TestExitErrorOfAProgramThatEndsAtOnce(t *testing.T) {
	for _, test := range []struct {
		e    ExitError
		hint bool
	}{
		{ExitError{Status: "exit status 0", When: " while it loaded"}, true},
		{ExitError{Status: "exit status 1", When: " while it loaded"}, false},
		{ExitError{Status: "exit status 0"}, false},
	} {
		if got := test.e.Explanation().Hint; strings.Contains(got, "ASGIBOX_SOCKET") != test.hint {
			t.Errorf("%+v: hint %q, want one: %t", test.e, got, test.hint)
		}
	}
}
