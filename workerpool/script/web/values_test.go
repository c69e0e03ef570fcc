package web

import (
	"strings"
	"testing"
	gotime "time"

	startime "go.starlark.net/lib/time"
	"go.starlark.net/starlark"
)

// TestATimeInAPageHasNoMonotonicClock: Go shows it, and so the uptime of the server.
func TestATimeInAPageHasNoMonotonicClock(t *testing.T) {
	now := gotime.Now()
	context := starlark.NewDict(1)
	context.SetKey(starlark.String("t"), startime.Time(now))
	data, err := templateData(context)
	if err != nil {
		t.Fatal(err)
	}
	page, err := folder(t, map[string]string{"p.html": "{{.t}}"}).execute("p.html", data)
	want := strings.ReplaceAll(now.Round(0).String(), "+", "&#43;")
	if err != nil || string(page) != want {
		t.Errorf("got %s, %v\nwant %s", page, err, want)
	}
}
