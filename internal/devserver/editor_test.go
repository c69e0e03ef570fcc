package devserver

import (
	"strings"
	"testing"
)

func TestEditorsOpenAPlace(t *testing.T) {
	for _, c := range []struct{ editor, path, want string }{
		{"vscode", "/home/a b/app.star", "vscode://file/home/a%20b/app.star:7:3"},
		{"vscode", `C:\app\app.star`, "vscode://file/C:/app/app.star:7:3"},
		{"zed", "/x/app.star", "zed://file/x/app.star:7:3"},
		{"idea", "/x/a&b.star", "idea://open?file=%2Fx%2Fa%26b.star&line=7&column=3"},
		{"goland", `C:\app.star`, "goland://open?file=C%3A%2Fapp.star&line=7&column=3"},
		{"sublime", "/x/a&b.star", "subl://open?url=file:///x/a%26b.star&line=7&column=3"},
		{"my-editor://{file}#{line}", "/x/<a>.star", "my-editor://%2Fx%2F%3Ca%3E.star#7"},
		{"off", "/x/app.star", ""},
	} {
		e, err := ParseEditor(c.editor, func(string) string { return "" })
		if err != nil {
			t.Fatal(err)
		}
		if got := e.URL(c.path, 7, 3); got != c.want {
			t.Errorf("%s: %s, want %s", c.editor, got, c.want)
		}
	}
}

func TestEveryEditorNamesThePlace(t *testing.T) {
	for _, name := range Editors() {
		if url := editors[name].URL("/x/app.star", 12, 0); !strings.Contains(url, "app.star") || !strings.Contains(url, "12") || strings.Contains(url, "{") {
			t.Errorf("%s: %s", name, url)
		}
	}
}

func TestTheTerminalNamesTheEditor(t *testing.T) {
	for _, c := range []struct {
		environment map[string]string
		want        Editor
	}{
		{nil, ""},
		{map[string]string{"TERM_PROGRAM": "vscode"}, editors["vscode"]},
		{map[string]string{"TERM_PROGRAM": "vscode", "CURSOR_TRACE_ID": "1"}, editors["cursor"]},
		{map[string]string{"TERM_PROGRAM": "zed", "ZED_TERM": "true"}, editors["zed"]},
		{map[string]string{"TERMINAL_EMULATOR": "JetBrains-JediTerm"}, editors["idea"]},
		{map[string]string{"TERM_PROGRAM": "iTerm.app"}, ""},
	} {
		if got, err := ParseEditor("", func(key string) string { return c.environment[key] }); got != c.want || err != nil {
			t.Errorf("%v: %q, %v", c.environment, got, err)
		}
	}
}

// A page must not make the browser run anything itself.
func TestAnEditorIsAnotherProgram(t *testing.T) {
	for _, form := range []string{"javascript:alert(1)//{file}", "data:text/html,{path}", "http://127.0.0.1/{path}", "file://{path}", "vim", "JAVASCRIPT:{file}", "my-editor://open"} {
		if e, err := ParseEditor(form, func(string) string { return "" }); err == nil {
			t.Errorf("%s is accepted: %s", form, e)
		}
	}
}
