package console

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/slogtest"
	"time"
)

// written returns the output of a handler, without the time of day.
func written(o Options, record func(*slog.Logger)) string {
	var b bytes.Buffer
	record(slog.New(New(&b, o)))
	if len(b.String()) < len("15:04:05 ") {
		return b.String()
	}
	return b.String()[len("15:04:05 "):]
}

func TestRequestsAreOneLineEach(t *testing.T) {
	for want, record := range map[string][]any{
		"GET /rooms/x 200 1.2 ms\n":           {"HTTP", "method", "GET", "path", "/rooms/x", "status", 200, "duration", 1234 * time.Microsecond, "bytes", 12, "client", "::1"},
		"GET / client left 12s\n":             {"HTTP", "method", "GET", "path", "/", "status", 0, "duration", 12 * time.Second},
		"- - 400 28 µs\n":                     {"HTTP", "method", "", "path", "", "status", 400, "duration", 28 * time.Microsecond, "bytes", 86},
		"HTTP method=GET\n":                   {"HTTP", "method", "GET"}, // of the application
		"WebSocket /chat connected 80 µs\n":   {"WSCONNECT", "method", "GET", "path", "/chat", "status", 0, "duration", 80 * time.Microsecond},
		"WebSocket /chat closed 1001 3m0s\n":  {"WSDISCONNECT", "method", "GET", "path", "/chat", "status", 1001, "duration", 3 * time.Minute},
		"WebSocket /chat refused 403 25 ms\n": {"WSREJECT", "method", "GET", "path", "/chat", "status", 403, "duration", 25 * time.Millisecond},
	} {
		if got := written(Options{}, func(l *slog.Logger) { l.Info(record[0].(string), record[1:]...) }); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestControlCharactersAreReplaced(t *testing.T) {
	got := written(Options{Color: false}, func(l *slog.Logger) {
		l.Info("HTTP", "method", "GET", "path", "/\x1b[2J\r\n\u009b\u202e", "status", 200, "duration", time.Second)
		l.Warn("odd\x1b", "path", "/\x1b[2J", "error", errors.New("a\x1bb"), "key\x1b", 1)
	})
	if strings.ContainsAny(got, "\x1b\r\u009b\u202e") {
		t.Errorf("%q", got)
	}
}

func TestColorIsOptional(t *testing.T) {
	record := func(l *slog.Logger) {
		l.Info("HTTP", "method", "GET", "path", "/", "status", 500, "duration", time.Second)
	}
	if got := written(Options{}, record); strings.Contains(got, "\x1b") {
		t.Errorf("%q", got)
	}
	var b bytes.Buffer
	record(slog.New(New(&b, Options{Color: true})))
	if !strings.Contains(b.String(), "\x1b[31m500\x1b[0m") {
		t.Errorf("%q", b.String())
	}
}

func TestExplanationFollowsTheError(t *testing.T) {
	o := Options{Explain: func(err error, _ bool) (string, string) { return "app.star:1: " + err.Error(), "  | x\n" }}
	got := written(o, func(l *slog.Logger) {
		l.Error("a handler failed", "channel", "http.request", "err", errors.New("no x"))
	})
	if want := "error: a handler failed: app.star:1: no x channel=http.request\n  | x\n"; got != want {
		t.Errorf("got %q", got)
	}
}

func TestWarningsHaveAPrefix(t *testing.T) {
	got := written(Options{Level: slog.LevelWarn}, func(l *slog.Logger) {
		l.Info("no")
		l.Warn("disk nearly full", "path", "a b", "wait", time.Minute)
	})
	if want := "warning: disk nearly full path=\"a b\" wait=1m0s\n"; got != want {
		t.Errorf("got %q", got)
	}
}

func TestPlaceComesFirst(t *testing.T) {
	got := written(Options{}, func(l *slog.Logger) { l.Warn("no status", "generation", 1, "at", "app.star:8") })
	if want := "warning: app.star:8: no status generation=1\n"; got != want {
		t.Errorf("got %q", got)
	}
}

func TestSecondAtIsAnOrdinaryField(t *testing.T) {
	got := written(Options{}, func(l *slog.Logger) { l.Info("job", "at", "app.star:8", "at", 1795423637) })
	if want := "app.star:8: job at=1795423637\n"; got != want {
		t.Errorf("got %q", got)
	}
}

func TestHandlerConformance(t *testing.T) {
	var b bytes.Buffer
	slogtest.Run(t, func(*testing.T) slog.Handler {
		b.Reset()
		return New(&b, Options{})
	}, func(t *testing.T) map[string]any { return parse(b.String()) })
}

// parse reads the parts of a line that slogtest checks.
func parse(text string) map[string]any {
	m := map[string]any{slog.LevelKey: "INFO"}
	for i, word := range strings.Fields(text) {
		if i == 0 && strings.Count(word, ":") == 2 {
			m[slog.TimeKey] = word
			continue
		}
		key, value, ok := strings.Cut(word, "=")
		if !ok {
			m[slog.MessageKey] = word
			continue
		}
		at := m
		steps := strings.Split(key, ".")
		for _, step := range steps[:len(steps)-1] {
			if at[step] == nil {
				at[step] = map[string]any{}
			}
			at = at[step].(map[string]any)
		}
		at[steps[len(steps)-1]] = value
	}
	return m
}
