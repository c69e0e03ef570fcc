package script

import (
	"fmt"
	"log/slog"

	"go.starlark.net/starlark"
)

const levelWarn = slog.LevelWarn

// logObject makes the script's log.
func logObject() *object {
	return &object{name: "log", attrs: functions("log", map[string]builtin{
		"debug":   logAt(slog.LevelDebug),
		"info":    logAt(slog.LevelInfo),
		"warning": logAt(slog.LevelWarn),
		"error":   logAt(slog.LevelError),
	})}
}

// logAt is log.info(message, **fields) at a level.
func logAt(level slog.Level) builtin {
	return func(r *run, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		if len(args) != 1 {
			return nil, fmt.Errorf("%s: one message, and fields by name", b.Name())
		}
		var fields []any
		for _, kw := range kwargs {
			fields = append(fields, string(kw[0].(starlark.String)), plain(kw[1]))
		}
		r.unit.logAt(r.thread, level, fmt.Sprint(plain(args[0])), fields...)
		return starlark.None, nil
	}
}

// plain answers a text as it is and anything else as Starlark writes it.
func plain(v starlark.Value) any {
	if s, ok := starlark.AsString(v); ok {
		return s
	}
	return v.String()
}
