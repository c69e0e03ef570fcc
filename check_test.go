package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// command runs a command line and answers its status and all it says.
func command(t *testing.T, args ...string) (status int, output string) {
	t.Helper()
	var out bytes.Buffer
	status = run(t.Context(), args, strings.NewReader(""), &out, &out)
	return status, out.String()
}

func TestCheckSaysWhereAnApplicationIsWrong(t *testing.T) {
	app := filepath.Join(t.TempDir(), "app.star")
	for content, want := range map[string]string{
		helloApp:                "nothing is wrong",
		"\nlyer.send()\n":       "app.star:2:1: ",
		"def f(:\n":             "app.star:1:7: ",
		"channel_routing = 3\n": "channel_routing",
	} {
		if err := os.WriteFile(app, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		status, out := command(t, "check", app)
		if (status == 0) != (content == helloApp) {
			t.Errorf("status %d of %q", status, content)
		}
		expectText(t, out, want)
	}
}

func TestRoutesShowWhoHandlesWhat(t *testing.T) {
	app := filepath.Join("examples", "chat", "app.star")
	_, out := command(t, "routes", app)
	expectText(t, out, "websocket.connect")
	_, out = command(t, "routes", app, "/rooms/lobby")
	expectText(t, out, `room="lobby"`)
	_, out = command(t, "routes", app, "/nowhere")
	expectText(t, out, "no route")
	_, out = command(t, "routes", app, "/", "-m", "POST")
	expectText(t, out, "http.request")
	_, out = command(t, "routes", filepath.Join("examples", "hello.star"))
	expectText(t, out, "is a loop")
}
