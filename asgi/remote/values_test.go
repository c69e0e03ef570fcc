package remote

import (
	"testing"

	"asgibox/asgi"
)

func TestTextsOfAnAnswerThatAreNotUTF8AreQuoted(t *testing.T) {
	fields := asgi.Fields{{Key: "error", Value: "NotFound"}, {Key: "detail", Value: "no file \xff.txt"}, {Key: "count", Value: 1}}
	CheckValues(fields)
	for i, want := range []any{"NotFound", `"no file \xff.txt"`, int64(1)} {
		if got := fields[i].Value; got != want {
			t.Errorf("%s: got %v, want %v", fields[i].Key, got, want)
		}
	}
}
