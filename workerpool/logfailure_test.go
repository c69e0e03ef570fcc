package workerpool

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"asgibox/asgi"
)

func TestFailureWithoutTraceIsLoggedWithoutTrace(t *testing.T) {
	for trace, want := range map[asgi.TraceID]bool{0: false, 7: true} {
		var out strings.Builder
		LogFailure(t.Context(), slog.New(slog.NewTextHandler(&out, nil)), Failure{Channel: "c", Status: 500, Trace: trace, Err: errors.New("no")})
		if got := strings.Contains(out.String(), "trace="); got != want {
			t.Errorf("trace %d is logged as %s", trace, out.String())
		}
	}
}
