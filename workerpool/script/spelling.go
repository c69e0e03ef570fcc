package script

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"unicode/utf8"

	"asgibox/internal/logkey"
	"asgibox/workerpool/script/explain"

	"go.starlark.net/syntax"
)

// reportAt logs a warning about a place in a file, or returns an error if the
// loader is strict.
func (u *unit) reportAt(pos syntax.Position, what, hint string) error {
	switch {
	case u.loader.opts.NoCheck:
		return nil
	case u.loader.opts.Strict:
		return &placedError{explain.Hintf(hint, "%s", what), pos}
	}
	u.warnAt(pos, what+" ("+hint+")")
	return nil
}

// warnAt logs a warning about a place in a file.
func (u *unit) warnAt(pos syntax.Position, text string) {
	u.loader.log.LogAttrs(context.Background(), slog.LevelWarn, text,
		slog.Uint64(logkey.Generation, u.number), slog.String(logkey.At, fmt.Sprintf("%s:%d", pos.Filename(), pos.Line)))
}

// findLiteral returns the place of a string literal in the application's file.
func (u *unit) findLiteral(text string) (syntax.Position, bool) {
	file := u.loader.file
	source, _ := u.sources.lookup(file)
	for i, line := range strings.Split(source, "\n") {
		for _, quoted := range []string{`"` + text + `"`, "'" + text + "'"} {
			if at := strings.Index(line, quoted); at >= 0 {
				return syntax.MakePosition(&file, int32(i+1), int32(utf8.RuneCountInString(line[:at])+1)), true
			}
		}
	}
	return syntax.Position{}, false
}

// placeAtName places an error at the line of the application's file that sets a
// global, if there is one.
func (u *unit) placeAtName(name string, err error) error {
	file := u.loader.file
	source, _ := u.sources.lookup(file)
	for i, line := range strings.Split(source, "\n") {
		rest, begins := strings.CutPrefix(line, name)
		if rest = strings.TrimLeft(rest, " \t"); begins && strings.HasPrefix(rest, "=") {
			err = &placedError{err, syntax.MakePosition(&file, int32(i+1), 1)}
			break
		}
	}
	return err
}
