package script

import (
	"errors"
	"io"
	"io/fs"
	"maps"

	"asgibox/internal/userfile"
	"asgibox/workerpool/script/explain"
	"asgibox/workerpool/script/lib"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// settingsFile is the name of the settings file in the application's folder.
const settingsFile = ".env"

// settings returns the script's settings. Those of the command line take
// precedence over those of the file.
func (u *unit) settings() (starlark.Value, error) {
	name := settingsFile
	data, err := u.sources.readOptional(name)
	if err != nil {
		return nil, err
	}
	text, line, err := explain.SourceText(data)
	if err != nil {
		return nil, &placedError{err, syntax.MakePosition(&name, int32(line), 0)}
	}
	all, err := lib.ParseEnv(name, text)
	if err != nil {
		return nil, err
	}
	maps.Copy(all, u.loader.opts.Settings)
	return lib.Settings(all), nil
}

// readOptional returns the content of a file, or nil if it does not exist. The
// file counts as read, so that its creation causes a reload.
func (s *sources) readOptional(name string) (data []byte, err error) {
	s.used(name)
	f, err := userfile.OpenIn(s.root, name)
	if err == nil {
		defer f.Close()
		data, err = io.ReadAll(io.LimitReader(f, maxSource))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, s.readError(name, err)
	}
	s.mu.Lock()
	s.text[name] = string(data)
	s.mu.Unlock()
	return data, nil
}

// text returns the text of a script or template for explanations. It does not
// return the settings file, which may contain secrets.
func (u *unit) text(name string) (string, bool) {
	if name == settingsFile {
		return "", false
	}
	if text, ok := u.sources.lookup(name); ok {
		return text, true
	}
	return u.web.Source(name)
}
