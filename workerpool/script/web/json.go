package web

import (
	"asgibox/workerpool/script/jsontext"

	"go.starlark.net/starlark"
)

func encodeJSON(thread *starlark.Thread, v starlark.Value) (string, error) {
	out, err := jsontext.Encode(thread, v)
	if err != nil {
		return "", err
	}
	s, _ := starlark.AsString(out)
	return s, nil
}
