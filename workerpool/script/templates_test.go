package script_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"asgibox/internal/fileset"
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
		s := setup{files: changed}.serve(t, "channel_routing = [view('/', lambda request: 'old')]\n")
		err := s.reload(renderer)
		if c.want == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			s.log.lacks("level=WARN")
			s.want("/", 200, "<b>1</b>")
			s.want("/other", 200, "base")
			continue
		}
		s.want("/", 200, "old")
		for want := range strings.SplitSeq(c.want, "|") {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: the error does not contain %s: %v", name, want, err)
			}
		}
		unchecked := setup{files: changed, script: script.Options{NoCheck: true}}.serve(t, "channel_routing = []\n")
		if err := unchecked.reload(renderer); err != nil {
			t.Errorf("%s: without checks: %v", name, err)
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
	s := serve(t, "channel_routing = [view('/', lambda request: 'old')]\n")
	err := s.reload(`
while True:
    _, m = layer.receive_many("http.request", block=True)
    layer.send(m["reply_channel"], {"status": 200, "content": render("none.html", {})})
`)
	if err == nil || !strings.Contains(err.Error(), "app.star:4:") || !strings.Contains(err.Error(), "none.html") {
		t.Error(err)
	}
	s.want("/", 200, "old")
}

// TestNamesThatClientsChooseAreForgotten renders many templates that do not exist.
func TestNamesThatClientsChooseAreForgotten(t *testing.T) {
	var followed, awaited fileset.Set
	follow := func(path string, missing bool) {
		if missing {
			awaited.Keep(path)
		} else {
			followed.Keep(filepath.Base(path))
		}
	}
	s := setup{script: script.Options{Follow: follow}, files: map[string]string{"page.html": "ok"}}.serve(t, `
def misses(request):
    for i in range(5000):
        attempt(render, "%d.html" % i)
    attempt(render, "long/" * 10000)
    return render(request.GET["name"] + ".html")
channel_routing = [view("/", misses)]
`)
	s.want("/?name=page", 200, "ok")
	s.want("/?name=page", 200, "ok")
	for name, want := range map[string]bool{"app.star": true, ".env": true, "page.html": true, "4999.html": true, "0.html": false} {
		if s.loader.Uses(name) != want {
			t.Errorf("uses %s: %v, want %v", name, !want, want)
		}
	}
	if s.loader.Uses(strings.TrimSuffix(strings.Repeat("long/", 10000), "/")) {
		t.Error("a name of 50 KB is remembered")
	}
	files := followed.Kept()
	slices.Sort(files)
	if want := []string{".env", "app.star", "page.html"}; !slices.Equal(files, want) {
		t.Errorf("%d files are watched, want %q", len(files), want)
	}
	if n := len(awaited.Kept()); n < 5000 {
		t.Errorf("%d missing files were named", n)
	}
}

func TestAFileInAMissingFolderOfStaticLoadsTheApplicationAgain(t *testing.T) {
	s := serve(t, `channel_routing = [view("/", lambda request: "fine")]`)
	if err := s.reload(`channel_routing = [static("/static/", "assets")]`); err == nil {
		t.Fatal("a missing folder was served")
	}
	if !s.loader.Uses("assets/css/page.css") || s.loader.Uses("other/page.css") {
		t.Error("a file in the missing folder does not load the application again")
	}
	s.want("/", 200, "fine")
}
