package lib

import (
	"fmt"
	"strings"

	"asgibox/workerpool/script/value"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// checkReplace fails if text.replace(old, new, count) would be too long.
func checkReplace(text string, args starlark.Tuple) error {
	if len(args) < 2 {
		return nil
	}
	old, _ := starlark.AsString(args[0])
	next, _ := starlark.AsString(args[1])
	growth := len(next) - len(old)
	if growth <= 0 || len(text)+(len(text)/max(len(old), 1)+1)*growth <= value.MaxText {
		return nil
	}
	n := strings.Count(text, old)
	if len(args) > 2 {
		if most, err := starlark.AsInt32(args[2]); err == nil && most >= 0 {
			n = min(n, most)
		}
	}
	left := value.Budget(value.MaxText)
	return left.Take(len(text) + n*growth)
}

// maxSeparator is the length of the longest separator whose texts are measured
// without it, in bytes.
const maxSeparator = 16

// checkJoined checks the texts that a short separator joins.
func checkJoined(texts starlark.Value) (starlark.Value, error) {
	if err := checkJoin(0, texts); err != nil {
		return nil, fmt.Errorf("join: %w", err)
	}
	return texts, nil
}

// checkJoin fails if the texts would be too long with separators of that length.
func checkJoin(separator int, texts starlark.Value) error {
	left := value.Budget(value.MaxText)
	take := func(v starlark.Value) error {
		text, _ := starlark.AsString(v)
		return left.Take(separator + len(text))
	}
	switch texts := texts.(type) {
	case *starlark.List:
		for i := range texts.Len() {
			if err := take(texts.Index(i)); err != nil {
				return err
			}
		}
	case starlark.Tuple:
		for _, v := range texts {
			if err := take(v); err != nil {
				return err
			}
		}
	case starlark.Iterable: // such as a set, or text.elems()
		for v := range starlark.Elements(texts) {
			if _, ok := starlark.AsString(v); !ok {
				return nil // join fails at this item
			}
			if err := take(v); err != nil {
				return err
			}
		}
	}
	return nil
}

// isShort reports whether an expression is a text that is no longer than
// maxSeparator.
func isShort(x syntax.Expr) bool {
	l, ok := x.(*syntax.Literal)
	if !ok {
		return false
	}
	text, ok := l.Value.(string)
	return ok && len(text) <= maxSeparator
}
