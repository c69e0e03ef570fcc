package routing

import (
	"strings"
	"testing"

	"asgibox/asgi"
	"asgibox/workerpool/script/web"
)

func TestNothingIsSuggestedForALongPath(t *testing.T) {
	pattern, err := web.CompilePath("/rooms/<path:rest>")
	if err != nil {
		t.Fatal(err)
	}
	table := NewTable(nil)
	if err := table.Add(&Route{Channel: asgi.HTTPRequest, Name: "room", View: &View{Path: pattern}}, nil); err != nil {
		t.Fatal(err)
	}
	for length, want := range map[int]int{10: 1, maxNear: 0} {
		if near := table.near(asgi.HTTPRequest, "GET", "/roms/"+strings.Repeat("a", length)); len(near) != want {
			t.Errorf("a path of %d bytes has %d suggestions, want %d", length, len(near), want)
		}
	}
}
