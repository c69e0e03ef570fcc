package jsontext_test

import (
	"strconv"
	"strings"
	"testing"

	"asgibox/workerpool/script/jsontext"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

func TestDeeplyNestedTextsAreRefused(t *testing.T) {
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

func TestDecodeReturnsTheDefaultForWrongTexts(t *testing.T) {
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

func eval(t *testing.T, src string) starlark.Value {
	t.Helper()
	opts := &syntax.FileOptions{TopLevelControl: true, GlobalReassign: true}
	globals, err := starlark.ExecFileOptions(opts, new(starlark.Thread), "t.star", src, nil)
	if err != nil {
		t.Fatal(err)
	}
	return globals["x"]
}

func TestLargeValuesAreNotEncoded(t *testing.T) {
	thread := new(starlark.Thread)
	for src, want := range map[string]string{
		"x = [1]\nfor _ in range(60):\n  x = [x, x]":      "longer than 16 MiB",
		"x = {\"k\": [\"a\" * 1000000] * 20}":             "longer than 16 MiB",
		"x = range(1 << 40)":                              "longer than 16 MiB",
		"x = []\nfor _ in range(1001):\n  x = [x]":        "deeper than 1000",
		"x = {}\nfor _ in range(1001):\n  x = {\"a\": x}": "deeper than 1000",
		"x = []\nx.append(x)":                             "or contains itself",
	} {
		if _, err := jsontext.Encode(thread, eval(t, src)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", src, err)
		}
	}
	got, err := jsontext.Encode(thread, eval(t, `x = {"b": (1, 2.5, None), "a": {"é": [True, "\\n"]}}`))
	if want := starlark.String(`{"b":[1,2.5,null],"a":{"é":[true,"\\n"]}}`); err != nil || got != want {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	got, err = starlark.Call(thread, jsontext.Module.Members["encode_indent"], starlark.Tuple{eval(t, "x = [1]")},
		[]starlark.Tuple{{starlark.String("indent"), starlark.String(" ")}})
	if err != nil || got != starlark.String("[\n 1\n]") {
		t.Errorf("got %v, %v", got, err)
	}
}

// collidingKeys returns texts whose hashes are alike, so that a dict of them is slow.
func collidingKeys(n int) []string {
	var keys []string
	for i := 0; len(keys) < n; i++ {
		key := strconv.Itoa(i)
		if hash, _ := starlark.String(key).Hash(); hash&0xfff == 1 {
			keys = append(keys, key)
		}
	}
	return keys
}

func TestObjectsThatWouldBeSlowDictsAreRefused(t *testing.T) {
	keys := collidingKeys(1500)
	slow := `{"` + strings.Join(keys, `":0,"`) + `":0`
	for _, text := range []string{
		slow + "}", slow, strings.ReplaceAll(slow, ":", " \n: "), `[{"a": {}, "b:": ` + slow + "}}]", strings.ReplaceAll(slow, `"1`, `"\u0031`) + "}",
		strings.ReplaceAll(slow, ":0", `:{"a": "}\"}"}`) + "}",
	} {
		if _, err := jsontext.Decode(new(starlark.Thread), text); err == nil || !strings.Contains(err.Error(), "the hashes of too many keys") {
			t.Errorf("%.60s…: %v", text, err)
		}
	}
	for _, text := range []string{
		`{"` + strings.Join(keys[:60], `":0,"`) + `":0}`, `["` + strings.Join(keys, `:","`) + `:"]`,
		"[" + strings.Repeat(`{"id": 1, "name": "x"},`, 2000) + "{}]", `{"a": "` + slow[:1] + strings.Repeat("1:", 2000) + `"}`,
	} {
		if _, err := jsontext.Decode(new(starlark.Thread), text); err != nil {
			t.Errorf("%.60s…: %v", text, err)
		}
	}
}
