package script

import (
	"io"
	"maps"

	"asgibox/workerpool/script/lib"

	"go.starlark.net/starlark"
)

// settingsFile holds settings beside the application.
const settingsFile = ".env"

// settings makes the script's settings: those of the file, under those of the
// command line.
func (u *unit) settings() (starlark.Value, error) {
	all, err := lib.ParseEnv(settingsFile, u.sources.peek(settingsFile))
	if err != nil {
		return nil, err
	}
	maps.Copy(all, u.loader.opts.Settings)
	return lib.Settings(all), nil
}

// peek answers the text of a file that need not be there. It counts as read,
// so that its coming is noticed.
func (s *sources) peek(name string) string {
	text := ""
	if f, err := s.root.Open(name); err == nil {
		defer f.Close()
		if data, err := io.ReadAll(io.LimitReader(f, maxSource)); err == nil {
			text = string(data)
		}
	}
	s.mu.Lock()
	s.text[name] = text
	s.mu.Unlock()
	return text
}

// text answers the text of a file that was read, a script's or a template's,
// for explanations. What the settings hold is nobody's to see.
func (u *unit) text(name string) (string, bool) {
	if name == settingsFile {
		return "", false
	}
	if text, ok := u.sources.lookup(name); ok {
		return text, true
	}
	return u.web.Source(name)
}
