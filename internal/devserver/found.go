package devserver

import (
	"context"
	"fmt"
	"strings"

	"asgibox/asgi"
	"asgibox/internal/command"
)

// maxNamed is how many channels the banner names.
const maxNamed = 3

// found describes what the store has kept from an earlier run, or returns "" if
// there is nothing. It must be called before the application runs.
func (s *server) found() string {
	if s.store == nil {
		return "" // what waits on a shared layer may come from others
	}
	debugger := s.store.Debug()
	totals := debugger.Totals()
	var parts []string
	if totals.MessagesPending > 0 {
		fullest, _ := debugger.Channels(maxNamed, nil)
		rest := totals.MessagesPending
		for _, c := range fullest {
			if c.Depth > 0 {
				parts = append(parts, fmt.Sprintf("%s on %s", command.Count(c.Depth, "message"), c.Name))
				rest -= c.Depth
			}
		}
		if rest > 0 {
			parts = append(parts, fmt.Sprintf("%s on other channels", command.Count(rest, "message")))
		}
	}
	if totals.Delayed > 0 {
		parts = append(parts, fmt.Sprintf("%d delayed", totals.Delayed))
	}
	if sessions, err := s.store.Keys(context.Background(), nil, asgi.SessionPrefix); err == nil && len(sessions) > 0 {
		parts = append(parts, command.Count(len(sessions), "session"))
	}
	return strings.Join(parts, ", ")
}
