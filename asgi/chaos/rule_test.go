package chaos

import (
	"strings"
	"testing"
	"time"
)

func TestParseRules(t *testing.T) {
	for text, want := range map[string]Rule{
		"websocket.*:drop=1%,delay=50ms..200ms,reorder=5%": {"websocket.*", 0.01, 0.05, 50 * time.Millisecond, 200 * time.Millisecond},
		"*:drop=100%":                  {"*", 1, 0, 0, 0},
		"jobs:drop=0%":                 {"jobs", 0, 0, 0, 0},
		"jobs:delay=2":                 {"jobs", 0, 0, 2 * time.Second, 2 * time.Second},
		"a?b:reorder=0.5%, drop=12.5%": {"a?b", 0.125, 0.005, 0, 0},
	} {
		got, err := Parse(text)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
		if again, err := Parse(got.String()); err != nil || again != got {
			t.Errorf("%s prints as %s", text, got)
		}
	}
}

func TestParseErrorsSayWhatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		"":                        "want PATTERN",
		"jobs":                    "want PATTERN",
		":drop=1%":                "want PATTERN",
		"jobs:":                   "want PATTERN",
		"jobs:drop":               "share",
		"jobs:drop=1":             "share",
		"jobs:drop=101%":          "share",
		"jobs:drop=-1%":           "share",
		"jobs:drop=NaN%":          "share",
		"jobs:delay=x":            "x",
		"jobs:delay=200ms..100ms": "must not be negative or longer",
		"jobs:delay=-1s":          "",
		"jobs:lose=1%":            "use drop, delay or reorder",
		"jobs:drop=1%,drop=2%":    "twice",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
