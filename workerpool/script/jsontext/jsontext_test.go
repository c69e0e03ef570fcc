package jsontext_test

import (
	"strings"
	"testing"

	"asgibox/workerpool/script/jsontext"

	"go.starlark.net/starlark"
)

func TestTextsThatNestTooDeepAreRefused(t *testing.T) {
	thread := new(starlark.Thread)
	for _, text := range []string{
		strings.Repeat("[", 50<<20), strings.Repeat(`{"a":`, 10<<20), strings.Repeat("[", 1001) + strings.Repeat("]", 1001),
	} {
		if _, err := jsontext.Decode(thread, text); err == nil || !strings.Contains(err.Error(), "deeper than 1000") {
			t.Errorf("%.20s…: %v", text, err)
		}
	}
	for _, text := range []string{
		strings.Repeat("[", 1000) + strings.Repeat("]", 1000), `["` + strings.Repeat("[", 5000) + `\"` + strings.Repeat("{", 5000) + `"]`,
		"[" + strings.Repeat("[],", 5000) + "[]]",
	} {
		if _, err := jsontext.Decode(thread, text); err != nil {
			t.Errorf("%.20s…: %v", text, err)
		}
	}
}

func TestDecodeAnswersTheDefaultInstead(t *testing.T) {
	decode := jsontext.Module.Members["decode"]
	for _, text := range []string{"nonsense", strings.Repeat("[", 2000)} {
		args := starlark.Tuple{starlark.String(text)}
		kwargs := []starlark.Tuple{{starlark.String("default"), starlark.MakeInt(7)}}
		v, err := starlark.Call(new(starlark.Thread), decode, args, kwargs)
		if err != nil || v != starlark.Value(starlark.MakeInt(7)) {
			t.Errorf("%v, %v", v, err)
		}
	}
}
