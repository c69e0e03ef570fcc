package script_test

import (
	"strings"
	"testing"

	"asgibox/workerpool/script"
)

// renderer is an application that renders a page and loads a file that renders
// another.
const renderer = `load("lib.star", "other")
def page(request):
    return render("page.html", {"x": 1})
channel_routing = [view("/", page), view("/other", other)]
`

func TestTemplatesAreCheckedWhenTheFileIsLoaded(t *testing.T) {
	files := map[string]string{
		"lib.star":   "def other(request):\n    return render(\"other.html\", {})\n",
		"page.html":  "<p>{{.x}}</p>",
		"other.html": `{{template "base.html" .}}`,
		"base.html":  "base",
	}
	for name, c := range map[string]struct{ file, text, want string }{
		"broken":           {"page.html", "<p>\n{{if .x}}</p>", `the template "page.html" cannot be rendered: {{if}} has no {{end}}|page.html:2`},
		"broken included":  {"base.html", "{{.x", `the template "other.html" cannot be rendered|base.html:1`},
		"missing":          {"page.html", "", `the template "page.html" cannot be rendered: there is no file page.html|app.star:3`},
		"missing included": {"base.html", "", `the template "other.html" cannot be rendered|other.html:1`},
		"correct":          {"page.html", "<b>{{.x}}</b>", ""},
	} {
		changed := map[string]string{}
		for file, text := range files {
			changed[file] = text
		}
		if changed[c.file] = c.text; c.text == "" {
			delete(changed, c.file)
		}
		s := setup{files: changed}.serve(t, renderer)
		if c.want == "" {
			s.log.lacks("level=WARN")
			s.want("/", 200, "<b>1</b>")
			s.want("/other", 200, "base")
			continue
		}
		log := strings.ReplaceAll(s.log.String(), `\"`, `"`)
		for want := range strings.SplitSeq(c.want, "|") {
			if strings.Count(log, want) != 1 {
				t.Errorf("%s: the log does not contain %s once:\n%s", name, want, log)
			}
		}
		strict := setup{files: changed, script: script.Options{Strict: true}}.serve(t, "channel_routing = []\n")
		if err := strict.reload(renderer); err == nil || !strings.Contains(err.Error(), "cannot be rendered") {
			t.Errorf("%s: in strict mode: %v", name, err)
		}
	}
}

func TestOnlyCallsOfTheBuiltInRenderAreChecked(t *testing.T) {
	s := serve(t, `
def render(name): return name
def page(request): return render("none.html")
channel_routing = [view("/", page)]
`)
	s.want("/", 200, "none.html")
	s.log.lacks("level=WARN")
}

func TestALoopsTemplatesAreChecked(t *testing.T) {
	s := serve(t, `
while True:
    _, m = layer.receive_many("http.request", block=True)
    layer.send(m["reply_channel"], {"status": 200, "content": render("none.html", {}) if m["path"] == "/none" else "ok"})
`)
	s.want("/", 200, "ok")
	s.log.has("none.html")
	s.log.has("at=app.star:4")
}
