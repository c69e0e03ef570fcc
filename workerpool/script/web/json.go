package web

import (
	"strings"

	"asgibox/workerpool/script/jsontext"

	"go.starlark.net/starlark"
)

func encodeJSON(thread *starlark.Thread, v starlark.Value) (string, error) {
	out, err := jsontext.Encode(thread, v)
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
	return jsontext.Decode(thread, text)
}
