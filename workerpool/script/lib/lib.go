// Package lib holds the built-ins of scripts that need no channel layer: json,
// time, math, re, random, base64, hashlib, http, log, settings and a handful
// of functions. [Builtins] answers them by name.
//
// Calls that wait end with the thread's context, which the host puts into its
// local "context".
package lib

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"strings"

	"asgibox/workerpool/script/jsontext"

	"asgibox/workerpool/script/value"

	"go.starlark.net/lib/math"
	"go.starlark.net/lib/time"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// Options are what the built-ins need of their host. The zero value works.
type Options struct {
	// Before is asked before a call that waits ("sleep") or that others see
	// ("http.get" and its like). It may wait, and its error is the call's.
	Before func(thread *starlark.Thread, call string) error
	// Log answers where the thread's log goes; nowhere by default.
	Log func(*starlark.Thread) *slog.Logger
	// Client makes the requests of http; by default one with no settings of
	// its own. Time limits are the call's.
	Client *http.Client
}

// Builtins answers the built-ins by name. They are frozen, and safe for
// concurrent use.
func Builtins(o Options) starlark.StringDict {
	all := starlark.StringDict{
		"json":    jsontext.Module,
		"time":    time.Module,
		"math":    math.Module,
		"re":      reModule(),
		"random":  module("random", randomFunctions),
		"base64":  module("base64", base64Functions),
		"hashlib": module("hashlib", hashFunctions),
		"http":    o.http(),
		"log":     o.log(),
		"sleep":   starlark.NewBuiltin("sleep", o.sleep),
	}
	maps.Copy(all, universe())
	for name, fn := range textFunctions {
		all[name] = starlark.NewBuiltin(name, fn)
	}
	all.Freeze()
	return all
}

type function = func(*starlark.Thread, *starlark.Builtin, starlark.Tuple, []starlark.Tuple) (starlark.Value, error)

// module makes a module of functions.
func module(name string, functions map[string]function) *starlarkstruct.Module {
	m := &starlarkstruct.Module{Name: name, Members: starlark.StringDict{}}
	for key, fn := range maps.All(functions) {
		m.Members[key] = starlark.NewBuiltin(name+"."+key, fn)
	}
	return m
}

// contextOf answers the context that a thread's calls end with.
func contextOf(thread *starlark.Thread) context.Context {
	if ctx, ok := thread.Local("context").(context.Context); ok {
		return ctx
	}
	return context.Background()
}

func (o Options) before(thread *starlark.Thread, call string) error {
	if o.Before == nil {
		return nil
	}
	return o.Before(thread, call)
}

// A hintedError knows what to do about it; package explain shows it.
type hintedError struct {
	error
	hint string
}

func (e *hintedError) Hint() string  { return e.hint }
func (e *hintedError) Unwrap() error { return e.error }

func hinted(hint, format string, args ...any) error {
	return &hintedError{fmt.Errorf(format, args...), hint}
}

// maxText is the longest text that a built-in makes, in bytes. One call is one
// step, in which nobody looks at the memory that it takes.
const maxText = 16 << 20

// A builder makes a text that does not grow without bound.
type builder struct{ strings.Builder }

// add appends texts, and fails where they would make too long a text.
func (b *builder) add(call string, texts ...string) error {
	for _, s := range texts {
		if b.Len()+len(s) > maxText {
			return fmt.Errorf("%s: the text would be longer than %d MiB", call, maxText>>20)
		}
		b.WriteString(s)
	}
	return nil
}

// octets answers the bytes of text or bytes.
func octets(v starlark.Value) (string, bool) {
	if b, ok := v.(starlark.Bytes); ok {
		return string(b), true
	}
	return starlark.AsString(v)
}

// one unpacks the single argument of a call on text or bytes.
func one(b *starlark.Builtin, name string, args starlark.Tuple, kwargs []starlark.Tuple) (string, error) {
	var v starlark.Value
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, name, &v); err != nil {
		return "", err
	}
	s, ok := octets(v)
	if !ok {
		return "", hinted("write str(value)", "%s: %s is %s; it takes text or bytes", b.Name(), name, value.An(v))
	}
	return s, nil
}
