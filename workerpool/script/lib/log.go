package lib

import (
	"fmt"
	"log/slog"

	"asgibox/internal/logkey"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// log returns the module log, with one function per level. Named arguments of
// a call become attributes.
func (o Options) log() *starlarkstruct.Module {
	return module("log", map[string]function{
		"debug":   o.logAt(slog.LevelDebug),
		"info":    o.logAt(slog.LevelInfo),
		"warning": o.logAt(slog.LevelWarn),
		"error":   o.logAt(slog.LevelError),
	})
}

func (o Options) logAt(level slog.Level) function {
	return func(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		var message starlark.Value
		if err := starlark.UnpackPositionalArgs(b.Name(), args, nil, 1, &message); err != nil {
			return nil, err
		}
		if o.Log == nil {
			return starlark.None, nil
		}
		attrs := []slog.Attr{slog.String(logkey.At, caller(thread))}
		msg, err := text(b.Name(), message)
		if err != nil {
			return nil, err
		}
		for _, field := range kwargs {
			name, _ := starlark.AsString(field[0])
			v, err := attribute(b.Name(), field[1])
			if err != nil {
				return nil, err
			}
			attrs = append(attrs, slog.Any(name, v))
		}
		o.Log(thread).LogAttrs(contextOf(thread), level, msg, attrs...)
		return starlark.None, nil
	}
}

// caller returns the file and line of the call.
func caller(thread *starlark.Thread) string {
	if thread.CallStackDepth() < 2 {
		return ""
	}
	pos := thread.CallFrame(1).Pos
	return fmt.Sprintf("%s:%d", pos.Filename(), pos.Line)
}

// attribute returns a value in the Go type that suits a log.
func attribute(call string, v starlark.Value) (any, error) {
	switch v := v.(type) {
	case starlark.NoneType:
		return nil, nil
	case starlark.Bool:
		return bool(v), nil
	case starlark.Float:
		return float64(v), nil
	case starlark.Int:
		if n, ok := v.Int64(); ok {
			return n, nil
		}
	}
	return text(call, v)
}
