package web

import (
	"strings"

	"go.starlark.net/lib/json"
	"go.starlark.net/starlark"
)

func encodeJSON(thread *starlark.Thread, v starlark.Value) (string, error) {
	out, err := starlark.Call(thread, json.Module.Members["encode"], starlark.Tuple{v}, nil)
	if err != nil {
		if strings.Contains(err.Error(), "in field .elems") {
			return "", hinted("JSON has no bytes: str(data) makes text, base64.encode(data) too", "bytes cannot be written as JSON")
		}
		return "", err
	}
	s, _ := starlark.AsString(out)
	return s, nil
}

func decodeJSON(thread *starlark.Thread, text string) (starlark.Value, error) {
	return starlark.Call(thread, json.Module.Members["decode"], starlark.Tuple{starlark.String(text)}, nil)
}
