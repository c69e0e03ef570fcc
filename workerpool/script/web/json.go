package web

import (
	"strings"

	"asgibox/workerpool/script/explain"
	"asgibox/workerpool/script/jsontext"

	"go.starlark.net/starlark"
)

func encodeJSON(thread *starlark.Thread, v starlark.Value) (string, error) {
	out, err := jsontext.Encode(thread, v)
	if err != nil {
		if strings.Contains(err.Error(), "in field .elems") {
			return "", explain.Hintf("JSON has no bytes; convert them with str(data) or base64.encode(data)", "bytes cannot be written as JSON")
		}
		return "", err
	}
	s, _ := starlark.AsString(out)
	return s, nil
}
