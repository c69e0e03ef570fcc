package remote_test

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"asgibox/asgi"
	"asgibox/asgi/remote"
)

// TestALongErrorIsCut makes errors that quote the text of a caller.
func TestALongErrorIsCut(t *testing.T) {
	long := strings.Repeat("ü", 1<<20)
	for _, err := range []error{
		remote.Errorf(remote.BadRequest, "x%s", long), &asgi.InvalidNameError{Name: long}, errors.New(long),
	} {
		e := remote.ErrorOf(err)
		if len(e.Detail) < 4<<10 || len(e.Detail) > 4<<10+len("…") || !utf8.ValidString(e.Detail) {
			t.Errorf("%s: %d bytes: %.20q", e.Kind, len(e.Detail), e.Detail)
		}
		if again := remote.ErrorOf(e); again.Kind != e.Kind || len(again.Detail) > len(e.Detail) {
			t.Errorf("%s becomes %s with %d bytes", e.Kind, again.Kind, len(again.Detail))
		}
	}
}
