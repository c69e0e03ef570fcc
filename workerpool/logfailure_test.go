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

func TestAnOverloadIsLoggedAsAWarning(t *testing.T) {
	for status, want := range map[int]string{500: "level=ERROR", 503: "level=WARN"} {
		var out strings.Builder
		LogFailure(t.Context(), slog.New(slog.NewTextHandler(&out, nil)), Failure{Channel: asgi.HTTPRequest, Status: status, Err: errors.New("no")})
		if !strings.Contains(out.String(), want) {
			t.Errorf("status %d is logged as %s", status, out.String())
		}
	}
}
