package lib

import (
	"strings"

	"go.starlark.net/starlark"
)

// checkSplit reserves memory for the parts that split, rsplit or splitlines makes of
// a text. It lowers maxsplit to the number of parts.
func checkSplit(thread *starlark.Thread, method, text string, args starlark.Tuple) error {
	n := parts(method, text, args)
	var most int
	if method != "splitlines" && len(args) == 2 && starlark.AsInt(args[1], &most) == nil && most >= 0 {
		// The methods may make room for that many parts before they look for them.
		most = min(most, n)
		args[1] = starlark.MakeInt(most)
		if method == "split" || args[0] == starlark.None { // rsplit with a separator joins parts again
			n = min(n, most+1)
		}
	}
	return reserve(thread, n)
}

// parts returns how many parts of a text a method finds.
func parts(method, text string, args starlark.Tuple) int {
	if method == "splitlines" {
		return strings.Count(text, "\n") + 1
	}
	if len(args) > 0 && args[0] != starlark.None {
		separator, _ := starlark.AsString(args[0])
		if separator == "" {
			return 0 // the method fails
		}
		return strings.Count(text, separator) + 1
	}
	n := 0
	for range strings.FieldsSeq(text) {
		n++
	}
	return n
}
