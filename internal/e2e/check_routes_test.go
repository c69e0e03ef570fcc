package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"asgibox/internal/cli"
)

func TestCheckPrintsThePositionOfAnError(t *testing.T) {
	for content, want := range map[string]string{
		helloApp:                "no problems",
		"\nlyer.send()\n":       "app.star:2:1: ",
		"def f(:\n":             "app.star:1:7: ",
		"channel_routing = 3\n": "channel_routing",
	} {
		status, out := runCommand(t, "check", writeApp(t, content))
		if (status == 0) != (content == helloApp) {
			t.Errorf("status %d of %q", status, content)
		}
		expectText(t, out, want)
	}
}

func TestRoutesPrintsTheHandlerOfAPath(t *testing.T) {
	app := filepath.Join("..", "..", "examples", "chat", "app.star")
	_, out := runCommand(t, "routes", app)
	expectText(t, out, "websocket.connect")
	_, out = runCommand(t, "routes", app, "/rooms/lobby")
	expectText(t, out, `room="lobby"`)
	_, out = runCommand(t, "routes", app, "/nowhere")
	expectText(t, out, "no route")
	_, out = runCommand(t, "routes", app, "/", "-m", "POST")
	expectText(t, out, "http.request")
	_, out = runCommand(t, "routes", filepath.Join("..", "..", "examples", "hello.star"))
	expectText(t, out, "is a loop")
}

const warnedApp = `def f(message):
    message.reply({"accept": True})
channel_routing = [
    route("websocket.recieve", f),
    view("/", lambda request: settings["title"] + "é"),
]
`

func TestCheckPrintsWarningsAndFailsIfStrict(t *testing.T) {
	app := writeApp(t, warnedApp)
	status, out := runCommand(t, "check", app)
	if status != 0 {
		t.Errorf("status %d of a warning", status)
	}
	expectText(t, out, app+":4: warning: ")
	expectText(t, out, `did you mean "websocket.receive"?`)
	expectText(t, out, app+": 1 warning\n")
	status, out = runCommand(t, "check", "--strict", app)
	if status != 1 {
		t.Errorf("status %d with --strict", status)
	}
	expectText(t, out, app+":4:10: ")
}

func TestCheckReadsSettings(t *testing.T) {
	app := writeApp(t, "title = settings[\"title\"]\nchannel_routing = [view(\"/\", lambda request: title)]\n")
	if status, out := runCommand(t, "check", app, "--set", "title=Rooms"); status != 0 {
		t.Errorf("with the setting: %s", out)
	}
	if status, _ := runCommand(t, "check", app); status != 1 {
		t.Error("no error without the setting")
	}
}

// problem is an item of the output of check --json.
type problem struct {
	Level, File, Message, Hint string
	Line, Column               int
}

func TestCheckPrintsJSON(t *testing.T) {
	for content, want := range map[string]problem{
		warnedApp:               {Level: "warning", Line: 4},
		"\nlyer.send()\n":       {Level: "error", Line: 2, Column: 1, Hint: "did you mean layer?"},
		"channel_routing = 3\n": {Level: "error", Line: 1, Column: 1},
	} {
		app := writeApp(t, content)
		status, out := runCommand(t, "check", "--json", app)
		var got struct {
			OK       bool
			Problems []problem
		}
		if err := json.Unmarshal([]byte(out), &got); err != nil || len(got.Problems) == 0 {
			t.Fatalf("%v: %s", err, out)
		}
		p := got.Problems[0]
		if got.OK != (want.Level == "warning") || (status == 0) != got.OK || p.Message == "" || p.File != app {
			t.Errorf("status %d: %s", status, out)
		}
		if p.Level != want.Level || p.Line != want.Line || p.Column != want.Column || want.Hint != "" && p.Hint != want.Hint {
			t.Errorf("got %+v, want %+v", p, want)
		}
	}
}

func TestRoutesPrintsJSON(t *testing.T) {
	app := filepath.Join("..", "..", "examples", "chat", "app.star")
	for _, args := range [][]string{{app}, {app, "/rooms/lobby"}, {app, "/nowhere"}, {filepath.Join("..", "..", "examples", "hello.star"), "/"}} {
		status, out := runCommand(t, append([]string{"routes", "--json"}, args...)...)
		var got map[string][]any
		if err := json.Unmarshal([]byte(out), &got); err != nil || status != 0 || strings.Contains(out, "null") {
			t.Errorf("%q: %v: %s", args, err, out)
		}
	}
}

func TestRoutesAlwaysPrintsSomething(t *testing.T) {
	_, out := runCommand(t, "routes", filepath.Join("..", "..", "examples", "hello.star"), "/")
	expectText(t, out, "is a loop")
	_, out = runCommand(t, "routes", writeApp(t, "def f(message): pass\nchannel_routing = {\"jobs\": f}\n"), "/")
	expectText(t, out, "has no route for http.request")
	status, out := runCommand(t, "routes", "a.star", "/", "/x")
	if status != 1 {
		t.Errorf("status %d of too many arguments", status)
	}
	expectText(t, out, "takes [APP [PATH]], but got 3 arguments")
}

func TestCheckStopsAnEndlessLoad(t *testing.T) {
	ctx, cancel := context.WithTimeoutCause(t.Context(), 100*time.Millisecond, errors.New("loading took too long"))
	defer cancel()
	var out bytes.Buffer
	status := cli.Run(ctx, []string{"check", writeApp(t, "while True:\n    pass\n")}, strings.NewReader(""), &out, &out)
	if status != 1 {
		t.Errorf("status %d", status)
	}
	expectText(t, out.String(), "app.star:1:1: loading took too long")
}
