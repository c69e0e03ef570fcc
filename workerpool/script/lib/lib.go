// Package lib implements the built-ins of scripts that need no channel layer:
// json, time, math, re, random, base64, hashlib, password, http, log, settings and a few
// functions. [Builtins] returns them by name.
//
// A call that waits ends when the thread's context is done. The host stores the
// context in the thread local "context".
package lib

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"strings"

	"asgibox/workerpool/script/explain"
	"asgibox/workerpool/script/jsontext"
	"asgibox/workerpool/script/value"

	"go.starlark.net/lib/math"
	"go.starlark.net/lib/time"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// Options configure the built-ins. The zero value works.
type Options struct {
	// Before runs before a call that waits ("sleep") or has an effect outside
	// ("http.get", "http.post", "http.request"). It may wait. If it fails,
	// the call fails with the same error.
	Before func(thread *starlark.Thread, call string) error
	// After runs after a call that has waited.
	After func(thread *starlark.Thread, call string)
	// Random is the source of random and uuid4, safe for concurrent use. The
	// default cannot be predicted.
	Random rand.Source
	// Log returns the logger of a thread. The default discards all records.
	Log func(*starlark.Thread) *slog.Logger
	// Client sends the requests of http. The default is a new client. Each
	// call sets its own time limit.
	Client *http.Client
}

// Builtins returns the built-ins by name. They are frozen and safe for
// concurrent use.
func Builtins(o Options) starlark.StringDict {
	all := starlark.StringDict{
		"json":     jsontext.Module,
		"time":     time.Module,
		"math":     math.Module,
		"re":       reModule(),
		"random":   module("random", o.random()),
		"base64":   module("base64", base64Functions),
		"hashlib":  module("hashlib", hashFunctions),
		"password": module("password", passwordFunctions),
		"http":     o.http(),
		"log":      o.log(),
		"sleep":    starlark.NewBuiltin("sleep", o.sleep),
		"uuid4":    starlark.NewBuiltin("uuid4", o.uuid4),
	}
	maps.Copy(all, universe())
	for name, fn := range textFunctions {
		all[name] = starlark.NewBuiltin(name, fn)
	}
	all.Freeze()
	return all
}

type function = func(*starlark.Thread, *starlark.Builtin, starlark.Tuple, []starlark.Tuple) (starlark.Value, error)

// module returns a module with the functions as members.
func module(name string, functions map[string]function) *starlarkstruct.Module {
	m := &starlarkstruct.Module{Name: name, Members: starlark.StringDict{}}
	for key, fn := range functions {
		m.Members[key] = starlark.NewBuiltin(name+"."+key, fn)
	}
	return m
}

// contextOf returns the context of a thread.
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

func (o Options) after(thread *starlark.Thread, call string) {
	if o.After != nil {
		o.After(thread, call)
	}
}

// maxText is the length of the longest text that a built-in makes, in bytes.
// Memory is checked between the steps of a script, and a call is one step.
const maxText = value.MaxText

// A builder builds a text of limited length.
type builder struct{ strings.Builder }

// add appends texts, or fails if the result would be too long.
func (b *builder) add(call string, texts ...string) error {
	for _, s := range texts {
		if b.Len()+len(s) > maxText {
			return tooLong(call)
		}
		b.WriteString(s)
	}
	return nil
}

// made returns the text that a function makes of a text. It fails if one of them is too
// long.
func made(call, text string, of func(string) string) (starlark.Value, error) {
	if len(text) > maxText {
		return nil, tooLong(call)
	}
	text = of(text)
	if len(text) > maxText {
		return nil, tooLong(call)
	}
	return starlark.String(text), nil
}

func tooLong(call string) error {
	return fmt.Errorf("%s: the text would be longer than %d MiB", call, maxText>>20)
}

// octets returns the bytes of text or bytes.
func octets(v starlark.Value) (string, bool) {
	if b, ok := v.(starlark.Bytes); ok {
		return string(b), true
	}
	return starlark.AsString(v)
}

// one unpacks the only argument of a call, which must be text or bytes.
func one(b *starlark.Builtin, name string, args starlark.Tuple, kwargs []starlark.Tuple) (string, error) {
	var v starlark.Value
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, name, &v); err != nil {
		return "", err
	}
	s, ok := octets(v)
	if !ok {
		return "", explain.Hintf("write str(value)", "%s: %s is %s; it must be text or bytes", b.Name(), name, value.An(v))
	}
	return s, nil
}

// getMethod returns the method get(name, default=None) of a dict of text.
func getMethod(lookup func(name string) (string, bool)) *starlark.Builtin {
	return starlark.NewBuiltin("get", func(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		var name string
		var otherwise starlark.Value = starlark.None
		if err := starlark.UnpackArgs(b.Name(), args, kwargs, "name", &name, "default?", &otherwise); err != nil {
			return nil, err
		}
		if v, ok := lookup(name); ok {
			return starlark.String(v), nil
		}
		return otherwise, nil
	})
}
