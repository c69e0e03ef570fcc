package script

import (
	"errors"
	"io"
	"strings"

	"go.starlark.net/starlark"
)

// settingsFile holds settings beside the application.
const settingsFile = ".env"

// settings makes the script's settings: those of the file, under those of the
// command line.
func (u *unit) settings() starlark.Value {
	d := starlark.NewDict(len(u.loader.opts.Settings))
	for name, text := range u.dotenv() {
		d.SetKey(starlark.String(name), starlark.String(text)) // a fresh dict takes every text key
	}
	for name, text := range u.loader.opts.Settings {
		d.SetKey(starlark.String(name), starlark.String(text))
	}
	d.Freeze()
	return d
}

// dotenv reads NAME=value lines: comments and blank lines are left out, quotes
// around a value and the word export before a name are taken off.
func (u *unit) dotenv() map[string]string {
	values := make(map[string]string)
	for line := range strings.Lines(u.sources.peek(settingsFile)) {
		line = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), "export "))
		name, text, ok := strings.Cut(line, "=")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		text = strings.TrimSpace(text)
		if n := len(text); n >= 2 && (text[0] == '"' || text[0] == '\'') && text[n-1] == text[0] {
			text = text[1 : n-1]
		}
		values[strings.TrimSpace(name)] = text
	}
	return values
}

// peek answers the text of a file that need not be there. It counts as read,
// so that its coming is noticed.
func (s *sources) peek(name string) string {
	text := ""
	if f, err := s.root.Open(name); err == nil {
		defer f.Close()
		data, err := io.ReadAll(io.LimitReader(f, maxSource))
		if err == nil || errors.Is(err, io.EOF) {
			text = string(data)
		}
	}
	s.mu.Lock()
	s.text[name] = text
	s.mu.Unlock()
	return text
}
