package web

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"asgibox/asgi"
	"asgibox/workerpool/script/explain"
)

func rendered(t testing.TB, files map[string]string, call string) (reply, error) {
	t.Helper()
	return respond(t, folder(t, files), "load_time = 1\ndef view(request):\n  return "+call+"\n", get("/"))
}

func TestRenderEscapesByContext(t *testing.T) {
	got, err := rendered(t, map[string]string{"p.html": `<a href="{{.u}}" title="{{.t}}">{{.t}}</a><script>var x = {{.d}};</script>`},
		`render("p.html", {"u": "javascript:alert(1)", "t": "<b>'\"&", "d": {"k": ["</script>"]}})`)
	want := `<a href="#ZgotmplZ" title="&lt;b&gt;&#39;&#34;&amp;">&lt;b&gt;&#39;&#34;&amp;</a><script>var x = {"k":["\u003c/script\u003e"]};</script>`
	if err != nil || got.content != want || got.header("content-type") != htmlType {
		t.Errorf("got %s, %v", got.content, err)
	}
}

func TestRenderEveryKindOfValue(t *testing.T) {
	got, err := rendered(t, map[string]string{"p.txt": `{{.n}} {{.f}} {{.big}} {{if .yes}}yes{{end}}{{if .none}}no{{end}} {{range .l}}[{{.}}]{{end}} {{.d.k}} {{.b}} {{len .s}} {{range $k, $v := .d}}{{$k}}={{$v}}{{end}} {{if eq .n 1}}one{{end}}`},
		`render("p.txt", {"n": 1, "f": 1.5, "big": 1 << 70, "yes": True, "none": None, "l": (1, "two", [3]), "d": {"k": "v"}, "b": b"by", "s": set([1, 2])}, status=201, content_type="text/plain", headers={"x-a": "b"})`)
	want := `1 1.5 1180591620717411303424 yes [1][two][[3]] v by 2 k=v one`
	if err != nil || got.content != want || got.status != 201 || got.header("content-type") != "text/plain" || got.header("x-a") != "b" {
		t.Errorf("got %s, %v", got.content, err)
	}
}

func TestADictInATemplateIsSorted(t *testing.T) {
	got, err := rendered(t, map[string]string{"p.html": `{{range $k, $v := .d}}{{$k}}={{$v}} {{end}}<script>{{.d}}</script>`},
		`render("p.html", {"d": {"b": 1, "10": 2, "a": 3, "9": 4}})`)
	want := `10=2 9=4 a=3 b=1 <script>{"10":2,"9":4,"a":3,"b":1}</script>`
	if err != nil || got.content != want {
		t.Errorf("got %s, %v", got.content, err)
	}
}

func TestTemplatesIncludeOtherFiles(t *testing.T) {
	files := map[string]string{
		"base.html":       `<title>{{block "title" .}}none{{end}}</title>{{block "body" .}}{{end}}{{template "parts/foot.html" .}}`,
		"parts/foot.html": `<footer>{{.name}}</footer>`,
		"page.html":       `{{template "base.html" .}}{{define "title"}}{{.name}}{{end}}{{define "body"}}<p>{{if .name}}{{template "parts/foot.html" .}}{{end}}{{end}}`,
		"plain.html":      `{{template "base.html" .}}`,
	}
	got, err := rendered(t, files, `render("page.html", {"name": "N"})`)
	if want := "<title>N</title><p><footer>N</footer><footer>N</footer>"; err != nil || got.content != want {
		t.Errorf("got %s, %v", got.content, err)
	}
	got, err = rendered(t, files, `render("plain.html", {"name": "N"})`)
	if want := "<title>none</title><footer>N</footer>"; err != nil || got.content != want {
		t.Errorf("got %s, %v", got.content, err)
	}
}

func TestTemplateMistakesAreExplained(t *testing.T) {
	for _, c := range []struct {
		text, context, place, words, hint string
	}{
		{"a\n<p>{{.nmae}}", `{"name": 1}`, "p.html:2:6", `the context has no "nmae"`, "did you mean .name?"},
		{"a\n<p>é{{.nmae}}", `{"name": 1}`, "p.html:2:7", `the context has no "nmae"`, "did you mean .name?"},
		{"{{.zork}}", `{"name": 1}`, "p.html:1:3", `the context has no "zork"`, `{"zork": None}`},
		{"{{name}}", `{"name": 1}`, "p.html:1:3", `function "name" not defined`, "{{.name}}"},
		{"name {{.name}} é{{if name}}{{end}}", `{"name": 1}`, "p.html:1:22", "", ""},
		{"\n{% for x in xs %}", `{}`, "p.html:2:1", "templates have no {% … %}", "{{range .rooms}}"},
		{"{{for .x}}", `{}`, "p.html:1:3", `function "for" not defined`, "{{range"},
		{"{{endif}}", `{}`, "p.html:1:3", "", "{{end}}"},
		{"{{.x | safe}}", `{}`, "p.html:1:8", "", "every value is escaped"},
		{"a\n <b>{{if .x}}\n{{range .y}}{{end}}\n", `{}`, "p.html:2:5", "{{if}} has no {{end}}", "at the end of the block"},
		{"{{/* {{if}} */}}\n{{- range .x}}{{if .y}}{{else}}{{end}}", `{}`, "p.html:2:1", "{{range}} has no {{end}}", ""},
		{"<p>\n</p>{{end}}", `{}`, "p.html:2:5", "unexpected {{end}}", "remove this {{end}}"},
		{"{{.a}} {{.b", `{}`, "p.html:1:8", "unclosed action", "}}"},
		{"{{.a}} {{\"b}}", `{}`, "p.html:1:8", "unterminated quoted string", ""},
		{"{{.a}}{{if}}x{{end}}", `{}`, "p.html:1", "missing value for if", ""},
		{"\n {{$x}}", `{}`, "p.html:2:4", `undefined variable "$x"`, ""},
		{"{{range .xs}}{{.room}}{{end}}", `{"xs": [1], "room": 2}`, "p.html:1:16", "not a dict", "{{$.room}}"},
		{"a\n{{template \"bsae.html\" .}}", `{}`, "p.html:2:12", "there is no file bsae.html", `did you mean "base.html"?`},
		{"{{template \"../x.html\" .}}", `{}`, "p.html:1:12", "leads outside", ""},
		{"{{template \"sub.html\" .}}", `{}`, "sub.html:2:3", `the context has no "inner"`, ""},
		{"<a href={{.a}}{{if .a}}'{{end}}>", `{"a": 1}`, "p.html", "in unquoted attr", ""},
		{"<p>\n {{if .a}}<a href='{{end}}", `{"a": 1}`, "p.html:2:7", "branches end in different contexts", ""},
		{"{{template \"q\" .}}\n{{define \"q\"}}{{template \"q\" .}}<a title='{{end}}", `{}`, "p.html:2:15", "cannot compute output context", "must end where it begins"},
		{"a\n{{index .xs 5}}", `{"xs": [1]}`, "p.html:2:3", "index out of range", ""},
		{"a\n{{.name.first}}", `{"name": "x"}`, "p.html:2:8", "not a dict", ""},
	} {
		files := map[string]string{"p.html": c.text, "base.html": "", "sub.html": "\n{{.inner}}"}
		_, err := rendered(t, files, fmt.Sprintf(`render("p.html", %s)`, c.context))
		var wrong *TemplateError
		if !errors.As(err, &wrong) {
			t.Errorf("%s: got %v", c.text, err)
			continue
		}
		checkError(t, c.text, err, c.words, c.hint)
		if place := (explain.Frame{File: wrong.File, Line: wrong.Line, Col: wrong.Col}).String(); !strings.HasPrefix(place, c.place) {
			t.Errorf("%s: at %s, want %s", c.text, place, c.place)
		}
	}
}

func TestAnExplanationShowsTheLinesOfTheTemplate(t *testing.T) {
	env := folder(t, map[string]string{"p.html": "<p>\n{{.nmae}}\n</p>\n"})
	_, err := respond(t, env, "def view(request):\n  return render('p.html', {'name': 1})\n", get("/"))
	e := explain.Error(err, explain.Options{Source: env.Source})
	f, _ := e.Place()
	if f.String() != "p.html:2:3" || len(f.Lines) != 3 || e.Hint != "did you mean .name?" || len(e.Frames) != 2 {
		t.Errorf("got %+v", e)
	}
}

func TestWrongCallsOfRender(t *testing.T) {
	files := map[string]string{"index.html": "x", "p.html": "{{.x}}"}
	for _, c := range [][3]string{
		{`render("idnex.html")`, "there is no file idnex.html", `did you mean "index.html"?`},
		{`render("/etc/passwd")`, "is not a path inside", ""},
		{`render("../x")`, "leads outside", ""},
		{`render("p.html", [1])`, "the context is a list; it must be a dict", "render("},
		{`render("p.html", {"x": len})`, "the context contains a function, which a template cannot show", ""},
		{`render("p.html", {"x": request})`, "the context contains a request, which a template cannot show", "put the values that the page shows"},
	} {
		_, err := rendered(t, files, c[0])
		checkError(t, c[0], err, c[1], c[2])
	}
}

func TestPagesAreLimitedInSize(t *testing.T) {
	_, err := rendered(t, map[string]string{"p.html": "{{range .xs}}{{$.text}}{{end}}"}, `render("p.html", {"xs": range(20), "text": "x" * 1000000})`)
	checkError(t, "a long page", err, "the page would be longer than 16 MiB", "")
}

// TestTemplatesAreLimitedInTime checks that a template that writes nothing ends.
func TestTemplatesAreLimitedInTime(t *testing.T) {
	for name, text := range map[string]string{
		"loop":     "{{range 1000000000000}}{{end}}",
		"else":     "{{range .none}}{{else}}{{if true}}{{with 1}}{{range 1000000000000}}{{end}}{{end}}{{end}}{{end}}",
		"branches": "{{range 1000000}}" + strings.Repeat("{{if eq 1 2}}{{else}}{{$x := 1}}{{end}}", 1000) + "{{end}}",
		"values":   "{{range 1000000}}{{if or" + strings.Repeat(" (eq 1 2 3 4 5 6 7 8 9)", 1000) + "}}{{end}}{{end}}",
		"includes": `{{define "0"}}{{end}}` + doubling(60) + `{{template "60"}}`,
	} {
		_, err := rendered(t, map[string]string{"p.html": text}, `render("p.html", {"none": []})`)
		checkError(t, name, err, "the template takes more than 4194304 steps", "")
	}
}

// doubling defines templates of which each includes the one before twice.
func doubling(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `{{define "%d"}}{{template "%d"}}{{template "%[2]d"}}{{end}}`, i+1, i)
	}
	return b.String()
}

func TestAContextThatContainsItselfIsAnError(t *testing.T) {
	env := folder(t, map[string]string{"p.html": "x"})
	for _, make := range []string{"x = []\n  x.append(x)", "x = [1]\n  for _ in range(40):\n    x = [x, x]"} {
		_, err := respond(t, env, "def view(request):\n  "+make+"\n  return render('p.html', {'x': x})\n", get("/"))
		checkError(t, make, err, "too large, or contains itself", "")
	}
}

func TestDeeplyNestedTemplatesDoNotEndTheProcess(t *testing.T) {
	const open, end = "{{if .x}}", "{{end}}"
	n := maxTemplate / len(open+end)
	for what, text := range map[string]string{
		"blocks":     strings.Repeat(open, n) + strings.Repeat(end, n),
		"brackets":   "{{" + strings.Repeat("(", 50000) + "1" + strings.Repeat(")", 50000) + "}}",
		"unfinished": strings.Repeat(open, maxTemplate/len(open)),
		"too long":   strings.Repeat("x", maxTemplate+1),
	} {
		_, err := rendered(t, map[string]string{"p.html": text}, `render("p.html", {"x": 1})`)
		if what != "blocks" && err == nil {
			t.Errorf("%s: no error", what)
		}
	}
}

func BenchmarkRender(b *testing.B) {
	env := folder(b, map[string]string{"p.html": "<h1>{{.title}}</h1>{{range .rooms}}<li>{{.}}{{end}}"})
	thread, globals := program(b, env, "def view(request):\n  return render('p.html', {'title': 't', 'rooms': ['a', 'b', 'c']})\n")
	req := NewRequest(get("/"), Hooks{})
	b.ReportAllocs()
	for b.Loop() {
		v, _ := callView(thread, globals, req)
		env.Respond(thread, req, v, &Sender{Send: drop})
	}
}

// TestTheTemplateCacheIsLimited renders more templates than fit.
func TestTheTemplateCacheIsLimited(t *testing.T) {
	text, files := strings.Repeat("a", maxTemplate), map[string]string{}
	for i := range 3 * maxTemplates / maxTemplate {
		files[fmt.Sprint(i)] = text
	}
	e := folder(t, files)
	for i := range len(files) {
		if got, err := e.Render(fmt.Sprint(i), asgi.Dict{}); err != nil || string(got) != text {
			t.Fatalf("%d: %d bytes, %v", i, len(got), err)
		}
		cached := 0
		for _, text := range e.templates.text {
			cached += len(text)
		}
		if cached > maxTemplates+maxTemplate {
			t.Fatalf("%d bytes are cached", cached)
		}
	}
}
